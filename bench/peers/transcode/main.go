// Two programs: an upstream that always answers with the same departure, and grpc-gateway before an upstream.
//
//	transcode upstream ADDRESS FILE    FILE is an encoded headway.types.v1.Departure
//	transcode gateway ADDRESS UPSTREAM
package main

import (
	"context"
	"io/ioutil"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/golang/protobuf/proto"
	"github.com/grpc-ecosystem/grpc-gateway/runtime"
	"google.golang.org/grpc"

	booking "headway/booking/v1"
	types "headway/types/v1"
)

type upstream struct {
	booking.UnimplementedTimetableServiceServer
	departure *types.Departure
}

func (served *upstream) GetDeparture(context.Context, *booking.GetDepartureRequest) (*types.Departure, error) {
	return served.departure, nil
}

func main() {
	act, address, other := os.Args[1], os.Args[2], os.Args[3]
	if act == "upstream" {
		log.Fatal(answer(address, other))
	}
	log.Fatal(transcode(address, other))
}

func answer(address, file string) error {
	content, err := ioutil.ReadFile(file)
	if err != nil {
		return err
	}
	departure := &types.Departure{}
	if err := proto.Unmarshal(content, departure); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	booking.RegisterTimetableServiceServer(server, &upstream{departure: departure})
	return server.Serve(listener)
}

func transcode(address, upstream string) error {
	mux := runtime.NewServeMux(runtime.WithMarshalerOption(runtime.MIMEWildcard, &runtime.JSONPb{OrigName: true}))
	options := []grpc.DialOption{grpc.WithInsecure()}
	err := booking.RegisterTimetableServiceHandlerFromEndpoint(context.Background(), mux, upstream, options)
	if err != nil {
		return err
	}
	return http.ListenAndServe(address, mux)
}
