package example;

import com.google.rpc.ErrorInfo;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import mediagen.v1.CancelOutcome;
import mediagen.v1.CancelRequest;
import mediagen.v1.CancelResponse;
import mediagen.v1.CreateRequest;
import mediagen.v1.EstimateCostRequest;
import mediagen.v1.EstimateCostResponse;
import mediagen.v1.ListModelsRequest;
import mediagen.v1.ListModelsResponse;
import mediagen.v1.ListRequest;
import mediagen.v1.ListResponse;
import mediagen.v1.Output;
import mediagen.v1.StatusRequest;
import mediagen.v1.Task;
import mediagen.v1.TaskFilters;
import mediagen.v1.TaskStatus;

/** A walk through mediagen's contract with grpc-java, each fact told as it is seen. */
public final class Client {
  private static final List<TaskStatus> ORDER = List.of(
      TaskStatus.TASK_STATUS_QUEUED, TaskStatus.TASK_STATUS_THROTTLED, TaskStatus.TASK_STATUS_IN_PROGRESS);

  private final String run = UUID.randomUUID().toString();
  private final Media media;

  private Client(Media media) {
    this.media = media;
  }

  /** Arguments: host:port, a folder for output.mp4, the service config. MEDIAGEN_API_KEY: the key, if one is needed. */
  public static void main(String[] args) throws Exception {
    if (args.length != 3) {
      System.err.println("usage: java -jar mediagen-client.jar ADDRESS OUT_DIR SERVICE_CONFIG");
      System.exit(2);
    }
    try (Media media = new Media(args[0], Path.of(args[2]), System.getenv("MEDIAGEN_API_KEY"))) {
      Client client = new Client(media);
      client.prices();
      Task completed = client.watched(client.create());
      client.download(completed, Files.createDirectories(Path.of(args[1])).resolve("output.mp4"));
      Task cancelled = client.cancel();
      client.list(List.of(cancelled.getId(), completed.getId()));
      client.refusals();
    }
  }

  /** A request for a lake. A fresh request_id makes every retry safe: it finds the task if it was made. */
  private CreateRequest.Builder lake() {
    return CreateRequest.newBuilder()
        .setRequestId(UUID.randomUUID().toString())
        .setModel("gen4.5")
        .setPrompt("A serene lake at dawn")
        .setSeconds(5)
        .setSize("1280x720")
        .putLabels("run", run);
  }

  private void prices() {
    EstimateCostRequest request = EstimateCostRequest.newBuilder().setRequest(lake()).build();
    EstimateCostResponse estimate = media.unary().estimateCost(request);
    check(estimate.getCost().hasEstimatedUsdMicros(), "no price");
    told("EstimateCost: at most $%s", estimate.getCost().getEstimatedUsdMicros() / 1e6);
    ListModelsResponse models = media.unary().listModels(ListModelsRequest.getDefaultInstance());
    check(models.getModelsList().stream().anyMatch(model -> model.getName().equals("gen4.5")), "no gen4.5");
    told("ListModels: %d models", models.getModelsCount());
  }

  private Task create() {
    CreateRequest request = lake().build();
    Task task = media.unary().create(request).getTask();
    equal(media.unary().create(request).getTask().getId(), task.getId());
    told("Create: %s, and the same again for the same request_id", task.getId());
    CreateRequest other = request.toBuilder().setPrompt("Another lake").build();
    StatusRuntimeException error =
        refused(() -> media.unary().create(other), Status.Code.ALREADY_EXISTS, "REQUEST_ID_REUSED");
    equal(Media.errorInfo(error).orElseThrow().getMetadataOrThrow("taskId"), task.getId());
    Task current = media.unary().status(StatusRequest.newBuilder().setTaskId(task.getId()).build()).getTask();
    check(current.getRevision() >= task.getRevision(), "an older revision");
    told("Status: %s", current.getStatus());
    return task;
  }

  private Task watched(Task task) {
    List<Task> seen = new ArrayList<>();
    // Leaves the stream after one event, as a program does that is restarted, …
    try (ResumableWatch watch = new ResumableWatch(media, task.getId(), 0)) {
      seen.add(watch.next());
    }
    // … and goes on where it left.
    try (ResumableWatch watch = new ResumableWatch(media, task.getId(), seen.get(0).getRevision())) {
      watch.forEachRemaining(seen::add);
    }
    return checked(seen, TaskStatus.TASK_STATUS_COMPLETED);
  }

  /** Checks all the events that came of a task, and returns the last. */
  private static Task checked(List<Task> seen, TaskStatus end) {
    for (int at = 1; at < seen.size(); at++) {
      Task before = seen.get(at - 1);
      Task after = seen.get(at);
      boolean further = after.getRevision() == before.getRevision() && after.getProgress() > before.getProgress();
      check(after.getRevision() > before.getRevision() || further, "an older revision");
      check(rank(after) >= rank(before), after.getStatus() + " after " + before.getStatus());
    }
    equal(seen.stream().filter(Media::isTerminal).count(), 1L);
    Task last = seen.get(seen.size() - 1);
    equal(last.getStatus(), end);
    told("WatchTask, resumed: %s", seen.stream()
        .map(task -> task.getRevision() + " " + task.getStatus().name().replace("TASK_STATUS_", ""))
        .distinct()
        .collect(Collectors.joining(", ")));
    return last;
  }

  private static int rank(Task task) {
    return Media.isTerminal(task) ? ORDER.size() : ORDER.indexOf(task.getStatus());
  }

  private void download(Task task, Path file) throws Exception {
    Output output = task.getOutputs(0);
    IllegalStateException midway = new IllegalStateException("stopped midway");
    try {
      new VerifiedDownload(media, task.getId(), output).to(file, bytes -> {
        if (bytes >= output.getSizeBytes() / 2) {
          throw midway;
        }
      });
      throw new AssertionError("nothing stopped the download");
    } catch (IllegalStateException stopped) {
      equal(stopped, midway);
    }
    long kept = Files.size(VerifiedDownload.partOf(file, output));
    check(kept >= output.getSizeBytes() / 2 && kept < output.getSizeBytes(), kept + " bytes");
    AtomicLong least = new AtomicLong(Long.MAX_VALUE);
    new VerifiedDownload(media, task.getId(), output)
        .to(file, bytes -> least.accumulateAndGet(bytes, Math::min));
    check(least.get() > kept && least.get() <= output.getSizeBytes(), "what was there was fetched again");
    equal(Files.size(file), output.getSizeBytes());
    told("DownloadContent: %d bytes, resumed at %d, SHA-256 %s", output.getSizeBytes(), kept, output.getSha256());
  }

  private Task cancel() {
    CreateRequest slow = lake().setPrompt("[sandbox:seconds=60] A lake that takes long").build();
    String id = media.unary().create(slow).getTask().getId();
    StatusRuntimeException late = thrown(() -> watchWithin(300, id));
    equal(late.getStatus().getCode(), Status.Code.DEADLINE_EXCEEDED);
    told("WatchTask with a deadline of 0.3 s: DEADLINE_EXCEEDED");
    CancelRequest request = CancelRequest.newBuilder().setTaskId(id).build();
    told("Cancel: %s", media.unary().cancel(request).getOutcome());
    List<Task> seen = new ArrayList<>();
    try (ResumableWatch watch = new ResumableWatch(media, id, 0)) {
      watch.forEachRemaining(seen::add);
    }
    Task last = checked(seen, TaskStatus.TASK_STATUS_CANCELLED);
    CancelResponse again = media.unary().cancel(request);
    equal(again.getOutcome(), CancelOutcome.CANCEL_OUTCOME_TOO_LATE);
    equal(again.getTask().getRevision(), last.getRevision());
    told("Cancel again: %s, nothing changed", again.getOutcome());
    return last;
  }

  /** Watches until the deadline of a context, which all calls inside have, also those that resume. */
  private void watchWithin(long millis, String id) {
    ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();
    try (Context.CancellableContext soon =
            Context.current().withDeadlineAfter(millis, TimeUnit.MILLISECONDS, timer);
        ResumableWatch watch = new ResumableWatch(media, id, 0)) {
      soon.run(() -> watch.forEachRemaining(task -> {}));
    } finally {
      timer.shutdownNow();
    }
  }

  private void list(List<String> wanted) {
    ListRequest request = ListRequest.newBuilder()
        .setPageSize(1).setFilters(TaskFilters.newBuilder().putLabels("run", run)).build();
    List<String> ids = new ArrayList<>();
    int pages = 0;
    String pageToken = "";
    do {
      ListResponse page = media.unary().list(request.toBuilder().setPageToken(pageToken).build());
      check(page.getTasksCount() <= 1, "more than a page");
      page.getTasksList().forEach(task -> ids.add(task.getId()));
      pageToken = page.getNextPageToken();
      pages++;
    } while (!pageToken.isEmpty());
    equal(ids, wanted);
    told("List: %d tasks in %d pages", ids.size(), pages);
  }

  private void refusals() {
    CreateRequest bad = lake().setSeconds(99).setSize("1x1").build();
    StatusRuntimeException error =
        refused(() -> media.unary().create(bad), Status.Code.INVALID_ARGUMENT, "FIELD_INVALID");
    List<String> fields = new ArrayList<>();
    Media.violations(error).forEach(violation -> {
      told("  %s: %s", violation.getField(), violation.getDescription());
      fields.add(violation.getField());
    });
    equal(fields.stream().sorted().toList(), List.of("seconds", "size"));
    StatusRequest unknown = StatusRequest.newBuilder().setTaskId("task_01900000000070008000000000000000").build();
    refused(() -> media.unary().status(unknown), Status.Code.NOT_FOUND, "TASK_NOT_FOUND");
  }

  /** The error with which a call ends, which must have this code and reason. */
  private static StatusRuntimeException refused(Runnable call, Status.Code code, String reason) {
    StatusRuntimeException error = thrown(call);
    equal(error.getStatus().getCode(), code);
    ErrorInfo info = Media.errorInfo(error).orElseThrow();
    equal(info.getDomain(), "mediagen");
    equal(info.getReason(), reason);
    told("%s: %s of %s: %s", code, reason, info.getDomain(), error.getStatus().getDescription());
    return error;
  }

  private static StatusRuntimeException thrown(Runnable call) {
    try {
      call.run();
    } catch (StatusRuntimeException error) {
      return error;
    }
    throw new AssertionError("wanted an error, got an answer");
  }

  private static void equal(Object got, Object wanted) {
    check(got.equals(wanted), "got " + got + ", wanted " + wanted);
  }

  private static void check(boolean holds, String otherwise) {
    if (!holds) {
      throw new AssertionError(otherwise);
    }
  }

  private static void told(String fact, Object... values) {
    System.out.printf("ok: " + fact + "%n", values);
  }
}
