package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	mediagenv1 "mediagen.example/client/gen/mediagen/v1"
)

func (c caller) cancel(ctx context.Context, request *mediagenv1.CreateRequest) (*mediagenv1.Task, error) {
	slow := proto.CloneOf(request)
	slow.RequestId += "-slow"
	slow.Prompt = "[sandbox:seconds=60] A lake that takes its time"
	created, err := c.client.Create(ctx, slow)
	if err != nil {
		return nil, err
	}
	id := created.GetTask().GetId()
	if _, err := c.last(ctx, id, 500*time.Millisecond); status.Code(err) != codes.DeadlineExceeded {
		return nil, fmt.Errorf("a watch of 0.5 s of a task of a minute ended with %v", err)
	}
	now, err := c.client.Status(ctx, &mediagenv1.StatusRequest{TaskId: id})
	if err != nil {
		return nil, err
	}
	told("WatchTask for 0.5 s: DEADLINE_EXCEEDED; Status: %s", short(now.GetTask()))

	answer, err := c.client.Cancel(ctx, &mediagenv1.CancelRequest{TaskId: id})
	if err != nil {
		return nil, err
	}
	task, err := c.last(ctx, id, time.Minute)
	if err != nil {
		return nil, err
	}
	if task.GetStatus() != mediagenv1.TaskStatus_TASK_STATUS_CANCELLED {
		return nil, fmt.Errorf("a cancelled task ended as %v", task)
	}
	again, err := c.client.Cancel(ctx, &mediagenv1.CancelRequest{TaskId: id})
	if err != nil {
		return nil, err
	}
	if again.GetOutcome() != mediagenv1.CancelOutcome_CANCEL_OUTCOME_TOO_LATE || !proto.Equal(again.GetTask(), task) {
		return nil, fmt.Errorf("a second Cancel made %v of %v", again, task)
	}
	told("Cancel: %s, then %s; again: %s", answer.GetOutcome(), short(task), again.GetOutcome())
	return task, nil
}

// last waits for a task's end, and returns how it ended.
func (c caller) last(ctx context.Context, id string, timeout time.Duration) (last *mediagenv1.Task, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for task, err := range Watch(ctx, c.client, id, 0) {
		if err != nil {
			return nil, err
		}
		last = task
	}
	return last, nil
}

// list takes a page at a time; pages of one task only to show how.
func (c caller) list(ctx context.Context, filters *mediagenv1.TaskFilters, wanted ...string) error {
	request := &mediagenv1.ListRequest{PageSize: 1, Filters: filters}
	var listed []string
	for {
		page, err := c.client.List(ctx, request)
		if err != nil {
			return err
		}
		for _, task := range page.GetTasks() {
			listed = append(listed, task.GetId())
		}
		if len(page.GetTasks()) > 1 {
			return fmt.Errorf("a page of %d tasks", len(page.GetTasks()))
		}
		if page.GetNextPageToken() == "" {
			break
		}
		request.PageToken = page.GetNextPageToken()
	}
	if !slices.Equal(listed, wanted) {
		return fmt.Errorf("listed %v, wanted %v", listed, wanted)
	}
	told("List: both tasks, newest first, a page each")
	return nil
}

func (c caller) errors(ctx context.Context) error {
	_, err := c.client.Create(ctx, &mediagenv1.CreateRequest{
		RequestId: "go-" + rand.Text(), Model: "gen4.5", Prompt: "A lake", Seconds: proto.Uint32(99), Size: "1x1",
	})
	info, violations, err := refusal(err, codes.InvalidArgument, "FIELD_INVALID")
	if err != nil {
		return err
	}
	told("a bad Create: INVALID_ARGUMENT / %s", info.GetReason())
	var fields []string
	for _, violation := range violations {
		fields = append(fields, violation.GetField())
		told("  %s: %s", violation.GetField(), violation.GetDescription())
	}
	slices.Sort(fields)
	if !slices.Equal(fields, []string{"seconds", "size"}) {
		return fmt.Errorf("of seconds and size, said to be bad are %v", fields)
	}

	_, err = c.client.Status(ctx, &mediagenv1.StatusRequest{TaskId: "task_01890000000070008000000000000000"})
	info, _, err = refusal(err, codes.NotFound, "TASK_NOT_FOUND")
	if err != nil {
		return err
	}
	told("Status of an unknown task: NOT_FOUND / %s", info.GetReason())
	return nil
}

// refusal takes an error apart into the details that every error may carry, and fails unless it has
// this code and reason.
func refusal(err error, code codes.Code, reason string) (
	info *errdetails.ErrorInfo, violations []*errdetails.BadRequest_FieldViolation, _ error,
) {
	refused := status.Convert(err) // Of a nil error: OK.
	for _, detail := range refused.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			info = detail
		case *errdetails.BadRequest:
			violations = detail.GetFieldViolations()
		}
	}
	if refused.Code() != code || info.GetDomain() != "mediagen" || info.GetReason() != reason {
		return nil, nil, fmt.Errorf("wanted %v / %s, got %v with %v", code, reason, refused, info)
	}
	return info, violations, nil
}

func (c caller) prices(ctx context.Context, request *mediagenv1.CreateRequest) error {
	estimate, err := c.client.EstimateCost(ctx, &mediagenv1.EstimateCostRequest{Request: request})
	if err != nil {
		return err
	}
	micros := estimate.GetCost().GetEstimatedUsdMicros()
	if micros <= 0 {
		return fmt.Errorf("an estimate without an amount: %v", estimate)
	}
	told("EstimateCost: %.2f dollars at most", float64(micros)/1e6)
	answer, err := c.client.ListModels(ctx, &mediagenv1.ListModelsRequest{})
	if err != nil {
		return err
	}
	offered := func(model *mediagenv1.Model) bool { return model.GetName() == request.GetModel() }
	if !slices.ContainsFunc(answer.GetModels(), offered) {
		return fmt.Errorf("%s is not among the models", request.GetModel())
	}
	told("ListModels: %d models", len(answer.GetModels()))
	return nil
}
