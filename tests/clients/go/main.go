// Command client takes one task from Create to its file, and shows what else a caller of mediagen
// meets on the way.
//
//	usage: client ADDRESS OUT_DIR
//
// MEDIAGEN_API_KEY holds the caller's key, if the server wants one. Every line printed is a fact
// that was checked; the first that does not hold ends the program.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	mediagenv1 "mediagen.example/client/gen/mediagen/v1"
)

// From this folder in the repository; a copy of this program would ship its own.
const serviceConfigFile = "../../../config/grpc_service_config_with_create.json"

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: client ADDRESS OUT_DIR")
	}
	// What bounds the streams, and all of it.
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	if err := run(ctx, os.Args[1], os.Args[2]); err != nil {
		log.Fatal("FAILED: ", err)
	}
}

func run(ctx context.Context, address, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	conn, err := connect(address, serviceConfigFile, os.Getenv("MEDIAGEN_API_KEY"))
	if err != nil {
		return err
	}
	defer conn.Close()

	id := rand.Text()
	request := &mediagenv1.CreateRequest{
		RequestId: "go-" + id,
		Model:     "gen4.5",
		Prompt:    "A serene lake at dawn",
		Seconds:   proto.Uint32(5),
		Size:      "1280x720",
		Labels:    map[string]string{"run": id},
	}
	c := caller{mediagenv1.NewMediaGenerationClient(conn)}
	created, err := c.create(ctx, request)
	if err != nil {
		return err
	}
	task, err := c.follow(ctx, created.GetId())
	if err != nil {
		return err
	}
	if err := c.fetch(ctx, task, filepath.Join(folder, "output.mp4")); err != nil {
		return err
	}
	cancelled, err := c.cancel(ctx, request)
	if err != nil {
		return err
	}
	filters := &mediagenv1.TaskFilters{Labels: request.GetLabels()}
	if err := c.list(ctx, filters, cancelled.GetId(), task.GetId()); err != nil {
		return err
	}
	if err := c.errors(ctx); err != nil {
		return err
	}
	return c.prices(ctx, request)
}

// caller makes the calls, and fails where an answer is not what was wanted.
type caller struct {
	client mediagenv1.MediaGenerationClient
}

func short(task *mediagenv1.Task) string {
	return strings.TrimPrefix(task.GetStatus().String(), "TASK_STATUS_")
}

func told(format string, args ...any) {
	fmt.Printf("ok: "+format+"\n", args...)
}
