"""The `headway` command: drives the system only through its public doors."""
