package etcd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
)

// ErrReadOnly is what a read-only client answers to every call that is not one of questions.
var ErrReadOnly = errors.New("etcd is opened for reading only")

// questions are the calls that neither write nor go through the log of etcd. Alarm is not among them: even asking for alarms is an entry of the log.
var questions = []string{pb.Cluster_MemberList_FullMethodName, pb.Maintenance_Status_FullMethodName}

// NewReadOnly is New for a client that asks members for their state and their list, and sends nothing else.
func NewReadOnly(endpoints []Endpoint) (*Client, error) {
	return newClient(endpoints,
		grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			if !slices.Contains(questions, method) {
				return fmt.Errorf("%s: %w", method, ErrReadOnly)
			}
			return invoke(ctx, method, req, reply, cc, opts...)
		}),
		grpc.WithChainStreamInterceptor(func(_ context.Context, _ *grpc.StreamDesc, _ *grpc.ClientConn, method string, _ grpc.Streamer, _ ...grpc.CallOption) (grpc.ClientStream, error) {
			return nil, fmt.Errorf("%s: %w", method, ErrReadOnly)
		}),
	)
}
