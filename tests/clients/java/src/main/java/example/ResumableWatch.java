package example;

import io.grpc.Context;
import io.grpc.StatusRuntimeException;
import java.util.Iterator;
import java.util.NoSuchElementException;
import mediagen.v1.Task;
import mediagen.v1.WatchTaskRequest;
import mediagen.v1.WatchTaskResponse;

/**
 * A task's changes, up to and with its terminal one. A stream that breaks, or that the server ends for
 * its age, is resumed after the last revision seen. Closing it cancels the stream; a deadline of the
 * current context bounds it.
 */
final class ResumableWatch implements Iterator<Task>, AutoCloseable {
  private final Media media;
  private final String taskId;
  private final Backoff backoff;
  private Context.CancellableContext call;
  private Iterator<WatchTaskResponse> events;
  private long revision;
  private float progress;
  private Task next;
  private boolean ended;

  /** @param afterRevision the last revision seen of the task; 0: begins with the current task */
  ResumableWatch(Media media, String taskId, long afterRevision) {
    this.media = media;
    this.backoff = new Backoff(media);
    this.taskId = taskId;
    this.revision = afterRevision;
  }

  @Override
  public boolean hasNext() {
    while (next == null && !ended) {
      try {
        read();
      } catch (StatusRuntimeException error) {
        cancel();
        backoff.await(error);
      }
    }
    return next != null;
  }

  @Override
  public Task next() {
    if (!hasNext()) {
      throw new NoSuchElementException();
    }
    Task task = next;
    next = null;
    return task;
  }

  /** Reads one event, of a new stream if there is none. */
  private void read() {
    if (events == null) {
      WatchTaskRequest request = WatchTaskRequest.newBuilder().setTaskId(taskId).setAfterRevision(revision).build();
      // A blocking stub's stream is cancelled by the context that it was opened in.
      call = Context.current().withCancellation();
      call.run(() -> events = media.streaming().watchTask(request));
    }
    if (!events.hasNext()) {
      ended = true;
      return;
    }
    WatchTaskResponse event = events.next();
    backoff.reset();
    if (event.hasTask() && isNews(event.getTask())) { // Else a heartbeat.
      next = event.getTask();
      revision = next.getRevision();
      progress = next.getProgress();
      ended = Media.isTerminal(next);
    }
  }

  /** Progress is not on the server's disk, so that after its restart some may come again. */
  private boolean isNews(Task task) {
    return task.getRevision() != revision || task.getProgress() > progress;
  }

  @Override
  public void close() {
    ended = true;
    cancel();
  }

  private void cancel() {
    if (call != null) {
      call.cancel(null);
    }
    events = null;
  }
}
