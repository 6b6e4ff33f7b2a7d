-- Runs once, when the server's volume is empty: a database for each process, of a role that may do nothing else.
\getenv password DATABASE_PASSWORD
CREATE ROLE headway LOGIN PASSWORD :'password';
CREATE DATABASE headway_gateway OWNER headway;
CREATE DATABASE headway_booking OWNER headway;
CREATE DATABASE headway_tracking OWNER headway;
CREATE DATABASE headway_pricing OWNER headway;
