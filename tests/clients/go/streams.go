package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	mediagenv1 "mediagen.example/client/gen/mediagen/v1"
)

// Watch yields a task whenever it changed, the terminal task last, over as many streams as it
// takes: it goes on after UNAVAILABLE, which is how a lost connection, a drain and the end of an
// old stream (STREAM_MAX_AGE) look. Every other error is yielded, and ends it.
//
// To go on in another process, give the last revision seen as after.
func Watch(
	ctx context.Context, client mediagenv1.MediaGenerationClient, taskID string, after uint64,
) iter.Seq2[*mediagenv1.Task, error] {
	return func(yield func(*mediagenv1.Task, error) bool) {
		var delays backoffDelays
		revision, progress := after, float32(0)
		// Reports whether the caller wants more.
		receive := func(task *mediagenv1.Task) bool {
			delays.reset()
			// A server that was restarted counts the progress from 0 again. No task: a heartbeat.
			newer := task.GetRevision() > revision
			if !newer && (task.GetRevision() < revision || task.GetProgress() <= progress) {
				return true
			}
			revision, progress = task.GetRevision(), task.GetProgress()
			return yield(task, nil)
		}
		for {
			request := &mediagenv1.WatchTaskRequest{TaskId: taskID, AfterRevision: revision}
			err := watchOnce(ctx, client, request, receive)
			if status.Code(err) == codes.Unavailable {
				err = delays.wait(ctx)
				if err == nil {
					continue
				}
			}
			if err != nil && !errors.Is(err, errStopped) {
				yield(nil, err)
			}
			return
		}
	}
}

// errStopped says that whoever ranged over a watch has left the loop.
var errStopped = errors.New("stopped by the caller")

// watchOnce hands on what one stream sends. It returns nil after the stream's OK, which comes after
// the terminal task only.
func watchOnce(
	ctx context.Context, client mediagenv1.MediaGenerationClient,
	request *mediagenv1.WatchTaskRequest, receive func(*mediagenv1.Task) bool,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // Ends the stream, also when the caller leaves the loop.
	stream, err := client.WatchTask(ctx, request)
	if err != nil {
		return err
	}
	for {
		event, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !receive(event.GetTask()) {
			return errStopped
		}
	}
}

// Download writes an output to path once its SHA-256 is proved, and returns the offset that it
// began at. It goes on after UNAVAILABLE as Watch does.
//
// The bytes so far are beside it, in a .part named after the output. They stay there when this
// fails, and the next call goes on behind them. An error of onProgress, which may be nil, ends it.
func Download(
	ctx context.Context, client mediagenv1.MediaGenerationClient, taskID string,
	output *mediagenv1.Output, path string, onProgress func(done int64) error,
) (began int64, err error) {
	part := fmt.Sprintf("%s.%.16s.part", path, output.GetSha256())
	file, err := os.OpenFile(part, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	digest := sha256.New()
	if began, err = io.Copy(digest, file); err != nil {
		return began, err
	}

	var delays backoffDelays
	offset := began
	write := func(data []byte) error {
		delays.reset()
		if _, err := io.MultiWriter(file, digest).Write(data); err != nil {
			return err
		}
		offset += int64(len(data))
		if onProgress != nil {
			return onProgress(offset)
		}
		return nil
	}
	for {
		request := &mediagenv1.DownloadContentRequest{
			TaskId:         taskID,
			OutputIndex:    output.GetIndex(),
			Offset:         offset,
			ExpectedSha256: output.GetSha256(),
		}
		err := downloadOnce(ctx, client, request, write)
		if err == nil {
			break
		}
		if status.Code(err) != codes.Unavailable {
			return began, err
		}
		if err := delays.wait(ctx); err != nil {
			return began, err
		}
	}

	if got := hex.EncodeToString(digest.Sum(nil)); got != output.GetSha256() {
		return began, errors.Join(fmt.Errorf("%s was damaged: removed, download it again", part), os.Remove(part))
	}
	if err := file.Close(); err != nil {
		return began, err
	}
	return began, os.Rename(part, path)
}

// downloadOnce writes what one stream sends. It returns nil after the stream's OK, which comes
// after the last byte only.
func downloadOnce(
	ctx context.Context, client mediagenv1.MediaGenerationClient,
	request *mediagenv1.DownloadContentRequest, write func([]byte) error,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := client.DownloadContent(ctx, request)
	if err != nil {
		return err
	}
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch part := message.GetPart().(type) {
		case *mediagenv1.DownloadContentResponse_Metadata_:
			announced := part.Metadata
			if announced.GetSha256() != request.GetExpectedSha256() || int64(announced.GetOffset()) != request.GetOffset() {
				return fmt.Errorf("other bytes than asked for: %v", announced)
			}
		case *mediagenv1.DownloadContentResponse_Chunk_:
			if err := write(part.Chunk.GetData()); err != nil {
				return err
			}
		}
	}
}

const firstDelay, longestDelay = 200 * time.Millisecond, 5 * time.Second

// backoffDelays waits longer after each failure in a row, by chance, so that clients come back one
// by one. Its zero value is ready.
type backoffDelays struct{ next time.Duration }

func (d *backoffDelays) reset() { d.next = 0 }

// wait fails with the status that a call would have, when ctx ends first.
func (d *backoffDelays) wait(ctx context.Context) error {
	d.next = min(max(2*d.next, firstDelay), longestDelay)
	select {
	case <-time.After(d.next/2 + rand.N(d.next/2)):
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}
