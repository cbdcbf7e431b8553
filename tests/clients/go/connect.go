package main

import (
	"context"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// unaryTimeout is how long a unary call may take, with all its retries.
const unaryTimeout = 20 * time.Second

// connect returns a connection to the server; one is enough for a whole process, and for 1,024
// calls at a time. An empty apiKey sends none.
func connect(address, serviceConfig, apiKey string) (*grpc.ClientConn, error) {
	config, err := os.ReadFile(serviceConfig)
	if err != nil {
		return nil, err
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(string(config)),
		// A connection that silently died is noticed within 40 s, also while no call is open.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time:                30 * time.Second,
			Timeout:             10 * time.Second,
			PermitWithoutStream: true,
		}),
		// After a restart of the server: by default up to two minutes.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay:  200 * time.Millisecond,
				Multiplier: 2,
				Jitter:     0.2,
				MaxDelay:   5 * time.Second,
			},
			MinConnectTimeout: 5 * time.Second,
		}),
		// What downloads need to be fast.
		grpc.WithInitialWindowSize(8 << 20),
		grpc.WithInitialConnWindowSize(16 << 20),
		grpc.WithUnaryInterceptor(withTimeout),
	}
	if apiKey != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearer(apiKey)))
	}
	return grpc.NewClient(address, options...)
}

// withTimeout gives every unary call a deadline; one that its context has already counts if it is
// earlier.
func withTimeout(
	ctx context.Context, method string, request, reply any,
	conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	ctx, cancel := context.WithTimeout(ctx, unaryTimeout)
	defer cancel()
	return invoke(ctx, method, request, reply, conn, options...)
}

// bearer sends the caller's key with every call.
type bearer string

func (key bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(key)}, nil
}

// RequireTransportSecurity is false as this example speaks plaintext, to a server on its own
// machine. Say true where the connection has TLS.
func (bearer) RequireTransportSecurity() bool { return false }
