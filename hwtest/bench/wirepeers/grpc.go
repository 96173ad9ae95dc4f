package main

import (
	"context"
	"io"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
)

// codec writes Flow as the generated code would, without generating any.
type codec struct{}

func (codec) Name() string { return "proto" }

func (codec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.(*Flow).Append(nil))}, nil
}

func (codec) Unmarshal(data mem.BufferSlice, v any) error { return v.(*Flow).Parse(data.Materialize()) }

var _ encoding.CodecV2 = codec{}

// stream sends every record as a message of one client stream, without TLS.
func stream(flows []Flow) (taken int, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	desc := grpc.StreamDesc{StreamName: "Send", ClientStreams: true, Handler: func(_ any, s grpc.ServerStream) error {
		for {
			var f Flow
			if err := s.RecvMsg(&f); err == io.EOF {
				return s.SendMsg(&Flow{ID: uint64(taken)})
			} else if err != nil {
				return err
			}
			taken++
		}
	}}
	server := grpc.NewServer(grpc.ForceServerCodecV2(codec{}))
	server.RegisterService(&grpc.ServiceDesc{ServiceName: "bench.Records", HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{desc}}, nil)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer func() {
		server.Stop()
		<-served
	}()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(codec{})))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	s, err := conn.NewStream(context.Background(), &grpc.StreamDesc{StreamName: "Send", ClientStreams: true}, "/bench.Records/Send")
	if err != nil {
		return 0, err
	}
	for i := range flows {
		if err := s.SendMsg(&flows[i]); err != nil {
			return 0, err
		}
	}
	if err := s.CloseSend(); err != nil {
		return 0, err
	}
	var answer Flow
	if err := s.RecvMsg(&answer); err != nil {
		return 0, err
	}
	return int(answer.ID), nil
}
