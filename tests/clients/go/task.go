package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	mediagenv1 "mediagen.example/client/gen/mediagen/v1"
)

// create is safe to repeat, by gRPC or by hand: the request_id says that it is the same request.
func (c caller) create(ctx context.Context, request *mediagenv1.CreateRequest) (*mediagenv1.Task, error) {
	first, err := c.client.Create(ctx, request)
	if err != nil {
		return nil, err
	}
	task := first.GetTask()
	again, err := c.client.Create(ctx, request)
	if err != nil {
		return nil, err
	}
	if again.GetTask().GetId() != task.GetId() {
		return nil, fmt.Errorf("%s for the request_id of %s", again.GetTask().GetId(), task.GetId())
	}
	told("Create: %s, and the same again for the same request_id", task.GetId())

	other := proto.CloneOf(request)
	other.Prompt = "Another prompt"
	_, err = c.client.Create(ctx, other)
	info, _, err := refusal(err, codes.AlreadyExists, "REQUEST_ID_REUSED")
	if err != nil {
		return nil, err
	}
	if named := info.GetMetadata()["taskId"]; named != task.GetId() {
		return nil, fmt.Errorf("the request_id of %s is said to be that of %q", task.GetId(), named)
	}
	told("Create of something else with that request_id: ALREADY_EXISTS / %s", info.GetReason())
	return task, nil
}

func (c caller) follow(ctx context.Context, taskID string) (*mediagenv1.Task, error) {
	var seen []*mediagenv1.Task
	// A caller that goes away after the first event…
	for task, err := range Watch(ctx, c.client, taskID, 0) {
		if err != nil {
			return nil, err
		}
		seen = append(seen, task)
		break
	}
	resumed := seen[0].GetRevision()
	// …and another that goes on where it was.
	for task, err := range Watch(ctx, c.client, taskID, resumed) {
		if err != nil {
			return nil, err
		}
		before := seen[len(seen)-1]
		if before.GetCompleteTime() != nil {
			return nil, fmt.Errorf("the terminal task was followed by %v", task)
		}
		risen := cmp.Or(
			cmp.Compare(task.GetRevision(), before.GetRevision()),
			cmp.Compare(task.GetProgress(), before.GetProgress()),
		)
		// Of the statuses here, the later have the higher numbers.
		if risen <= 0 || task.GetStatus() < before.GetStatus() {
			return nil, fmt.Errorf("%v was followed by %v", before, task)
		}
		seen = append(seen, task)
	}
	last := seen[len(seen)-1]
	if last.GetStatus() != mediagenv1.TaskStatus_TASK_STATUS_COMPLETED {
		return nil, fmt.Errorf("%s: %s: %s", short(last), last.GetError().GetReason(), last.GetError().GetMessage())
	}
	var changes []string
	for _, task := range seen {
		changes = append(changes, fmt.Sprint(task.GetRevision(), " ", short(task)))
	}
	told("WatchTask, resumed after revision %d: %s", resumed, strings.Join(slices.Compact(changes), ", "))
	return last, nil
}

// errInterrupted stands for whatever ends a program in the middle of a download.
var errInterrupted = errors.New("interrupted")

func (c caller) fetch(ctx context.Context, task *mediagenv1.Task, path string) error {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	output := task.GetOutputs()[0]
	size := int64(output.GetSizeBytes())
	_, err := Download(ctx, c.client, task.GetId(), output, path, func(done int64) error {
		if done >= size/2 {
			return errInterrupted
		}
		return nil
	})
	if !errors.Is(err, errInterrupted) {
		return fmt.Errorf("the download was to be interrupted, and ended with %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s is there before it is whole (%v)", path, err)
	}
	offset, err := Download(ctx, c.client, task.GetId(), output, path, nil)
	if err != nil {
		return err
	}
	file, err := os.Stat(path)
	if err != nil {
		return err
	}
	if offset <= 0 || offset >= size || file.Size() != size {
		return fmt.Errorf("resumed at %d of %d bytes: %d bytes", offset, size, file.Size())
	}
	told("DownloadContent, resumed at %d: %d bytes, SHA-256 %s", offset, size, output.GetSha256())
	return nil
}
