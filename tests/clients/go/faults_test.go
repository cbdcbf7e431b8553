// What the published retry configuration and the resumed streams do when a server fails. The server
// here fails on purpose, as no real one does on demand.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	mediagenv1 "mediagen.example/client/gen/mediagen/v1"
)

// withoutCreate is for callers that do not always set request_id.
const withCreate, withoutCreate = serviceConfigFile, "../../../config/grpc_service_config.json"

var content = bytes.Repeat([]byte("mediagen"), 32<<10)

func output() *mediagenv1.Output {
	digest := sha256.Sum256(content)
	return &mediagenv1.Output{SizeBytes: uint64(len(content)), Sha256: hex.EncodeToString(digest[:])}
}

// faulty ends the first call of every unary method with code, and counts the calls.
type faulty struct {
	mediagenv1.UnimplementedMediaGenerationServer
	code  codes.Code
	mutex sync.Mutex
	calls map[string]int
}

func (f *faulty) fails(method string) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.calls[method]++
	if f.calls[method] == 1 {
		return status.Error(f.code, "on purpose")
	}
	return nil
}

func (f *faulty) Create(context.Context, *mediagenv1.CreateRequest) (*mediagenv1.CreateResponse, error) {
	return &mediagenv1.CreateResponse{}, f.fails("Create")
}

func (f *faulty) Status(context.Context, *mediagenv1.StatusRequest) (*mediagenv1.StatusResponse, error) {
	return &mediagenv1.StatusResponse{}, f.fails("Status")
}

func (f *faulty) List(context.Context, *mediagenv1.ListRequest) (*mediagenv1.ListResponse, error) {
	return &mediagenv1.ListResponse{}, f.fails("List")
}

func (f *faulty) EstimateCost(
	context.Context, *mediagenv1.EstimateCostRequest,
) (*mediagenv1.EstimateCostResponse, error) {
	return &mediagenv1.EstimateCostResponse{}, f.fails("EstimateCost")
}

func (f *faulty) ListModels(context.Context, *mediagenv1.ListModelsRequest) (*mediagenv1.ListModelsResponse, error) {
	return &mediagenv1.ListModelsResponse{}, f.fails("ListModels")
}

func (f *faulty) Cancel(context.Context, *mediagenv1.CancelRequest) (*mediagenv1.CancelResponse, error) {
	return &mediagenv1.CancelResponse{}, f.fails("Cancel")
}

// WatchTask tells one revision a stream, until the third is the last.
func (f *faulty) WatchTask(
	request *mediagenv1.WatchTaskRequest, stream grpc.ServerStreamingServer[mediagenv1.WatchTaskResponse],
) error {
	f.fails("WatchTask")
	if request.GetAfterRevision() < 3 {
		task := &mediagenv1.Task{Revision: request.GetAfterRevision() + 1}
		stream.Send(&mediagenv1.WatchTaskResponse{Event: &mediagenv1.WatchTaskResponse_Task{Task: task}})
		stream.Send(&mediagenv1.WatchTaskResponse{Event: &mediagenv1.WatchTaskResponse_Heartbeat_{}})
	}
	if request.GetAfterRevision() < 2 {
		return status.Error(f.code, "on purpose")
	}
	return nil
}

// DownloadContent sends a quarter of the content a stream.
func (f *faulty) DownloadContent(
	request *mediagenv1.DownloadContentRequest, stream grpc.ServerStreamingServer[mediagenv1.DownloadContentResponse],
) error {
	f.fails("DownloadContent")
	offset := request.GetOffset()
	end := min(offset+int64(len(content)/4), int64(len(content)))
	metadata := &mediagenv1.DownloadContentResponse_Metadata{Sha256: request.GetExpectedSha256(), Offset: uint64(offset)}
	stream.Send(&mediagenv1.DownloadContentResponse{Part: &mediagenv1.DownloadContentResponse_Metadata_{Metadata: metadata}})
	chunk := &mediagenv1.DownloadContentResponse_Chunk{Offset: uint64(offset), Data: content[offset:end]}
	stream.Send(&mediagenv1.DownloadContentResponse{Part: &mediagenv1.DownloadContentResponse_Chunk_{Chunk: chunk}})
	if end < int64(len(content)) {
		return status.Error(f.code, "on purpose")
	}
	return nil
}

func (f *faulty) wantCalls(t *testing.T, want map[string]int) {
	t.Helper()
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if !maps.Equal(f.calls, want) {
		t.Errorf("calls: %v, want %v", f.calls, want)
	}
}

func serve(t *testing.T, code codes.Code, config string) (*faulty, mediagenv1.MediaGenerationClient) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &faulty{code: code, calls: map[string]int{}}
	server := grpc.NewServer()
	mediagenv1.RegisterMediaGenerationServer(server, f)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	conn, err := connect(listener.Addr().String(), config, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return f, mediagenv1.NewMediaGenerationClient(conn)
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func want(t *testing.T, err error, code codes.Code) {
	t.Helper()
	if status.Code(err) != code {
		t.Fatalf("want %v, got %v", code, err)
	}
}

func TestReadsAreRepeatedAfterUnavailable(t *testing.T) {
	t.Parallel()
	f, client := serve(t, codes.Unavailable, withoutCreate)
	ctx := within(t)
	_, err := client.Status(ctx, &mediagenv1.StatusRequest{})
	want(t, err, codes.OK)
	_, err = client.List(ctx, &mediagenv1.ListRequest{})
	want(t, err, codes.OK)
	_, err = client.EstimateCost(ctx, &mediagenv1.EstimateCostRequest{})
	want(t, err, codes.OK)
	_, err = client.ListModels(ctx, &mediagenv1.ListModelsRequest{})
	want(t, err, codes.OK)
	f.wantCalls(t, map[string]int{"Status": 2, "List": 2, "EstimateCost": 2, "ListModels": 2})
}

func TestCreateIsRepeatedByTheSecondFileAlone(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	f, client := serve(t, codes.Unavailable, withoutCreate)
	_, err := client.Create(ctx, &mediagenv1.CreateRequest{})
	want(t, err, codes.Unavailable)
	f.wantCalls(t, map[string]int{"Create": 1})

	f, client = serve(t, codes.Unavailable, withCreate)
	_, err = client.Create(ctx, &mediagenv1.CreateRequest{RequestId: "once"})
	want(t, err, codes.OK)
	_, err = client.Status(ctx, &mediagenv1.StatusRequest{})
	want(t, err, codes.OK)
	f.wantCalls(t, map[string]int{"Create": 2, "Status": 2})
}

func TestNothingElseIsRepeated(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	f, client := serve(t, codes.Unavailable, withCreate)
	_, err := client.Cancel(ctx, &mediagenv1.CancelRequest{})
	want(t, err, codes.Unavailable)
	f.wantCalls(t, map[string]int{"Cancel": 1})

	f, client = serve(t, codes.Internal, withCreate)
	_, err = client.Status(ctx, &mediagenv1.StatusRequest{})
	want(t, err, codes.Internal)
	f.wantCalls(t, map[string]int{"Status": 1})
}

func TestAWatchGoesOnBehindTheLastRevision(t *testing.T) {
	t.Parallel()
	f, client := serve(t, codes.Unavailable, withCreate)
	var revisions []uint64
	for task, err := range Watch(within(t), client, "task", 0) {
		want(t, err, codes.OK)
		revisions = append(revisions, task.GetRevision())
	}
	if !slices.Equal(revisions, []uint64{1, 2, 3}) {
		t.Errorf("revisions %v", revisions)
	}
	f.wantCalls(t, map[string]int{"WatchTask": 3})
}

func TestADownloadGoesOnBehindTheLastByte(t *testing.T) {
	t.Parallel()
	f, client := serve(t, codes.Unavailable, withCreate)
	path := filepath.Join(t.TempDir(), "output.mp4")
	began, err := Download(within(t), client, "task", output(), path, nil)
	want(t, err, codes.OK)
	if got, err := os.ReadFile(path); err != nil || began != 0 || !bytes.Equal(got, content) {
		t.Errorf("%d bytes from %d on (%v)", len(got), began, err)
	}
	f.wantCalls(t, map[string]int{"DownloadContent": 4})
}

func TestStreamsEndWithEveryOtherError(t *testing.T) {
	t.Parallel()
	f, client := serve(t, codes.Internal, withCreate)
	var last error
	for _, err := range Watch(within(t), client, "task", 0) {
		last = err
	}
	want(t, last, codes.Internal)
	path := filepath.Join(t.TempDir(), "output.mp4")
	_, err := Download(within(t), client, "task", output(), path, nil)
	want(t, err, codes.Internal)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("half a file has the whole one's name (%v)", err)
	}
	f.wantCalls(t, map[string]int{"WatchTask": 1, "DownloadContent": 1})
}

func TestWrongBytesNeverGetTheFilesName(t *testing.T) {
	t.Parallel()
	_, client := serve(t, codes.Unavailable, withCreate)
	folder := t.TempDir()
	path := filepath.Join(folder, "output.mp4")
	part := path + "." + output().GetSha256()[:16] + ".part"
	if err := os.WriteFile(part, []byte("other"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Download(within(t), client, "task", output(), path, nil); err == nil {
		t.Error("damaged bytes were taken")
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("left: %v (%v)", left, err)
	}
}
