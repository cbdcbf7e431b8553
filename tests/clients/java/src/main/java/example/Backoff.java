package example;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.util.concurrent.ThreadLocalRandom;

/** The waits between the streams of one watch or download. */
final class Backoff {
  /** Broken streams in a row before it gives up: a bit over a minute in all. */
  private static final int MAX_FAILURES = 12;

  private final Media media;
  private int failures;

  Backoff(Media media) {
    this.media = media;
  }

  /** Something came. */
  void reset() {
    failures = 0;
  }

  /** Waits 0.1 s, doubled each time, 10 s at most, and up to as much again; other errors are thrown. */
  void await(StatusRuntimeException error) {
    if (error.getStatus().getCode() != Status.Code.UNAVAILABLE || failures >= MAX_FAILURES) {
      throw error;
    }
    long millis = Math.min(100L << failures++, 10_000);
    try {
      Thread.sleep(millis + ThreadLocalRandom.current().nextLong(millis));
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      throw Status.CANCELLED.withCause(interrupted).asRuntimeException();
    }
    media.reconnect();
  }
}
