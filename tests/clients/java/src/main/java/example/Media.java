package example;

import com.google.gson.Gson;
import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.MetadataUtils;
import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import mediagen.v1.MediaGenerationGrpc;
import mediagen.v1.MediaGenerationGrpc.MediaGenerationBlockingStub;
import mediagen.v1.Task;

/** The connection, deadlines, and what an error says beyond its code. */
final class Media implements AutoCloseable {
  private static final long UNARY_DEADLINE_SECONDS = 20;

  private final ManagedChannel channel;
  private final MediaGenerationBlockingStub stub;

  /**
   * Connects without TLS.
   *
   * @param target host:port
   * @param serviceConfig a file that says which calls are retried
   * @param apiKey null: none
   */
  Media(String target, Path serviceConfig, String apiKey) throws IOException {
    NettyChannelBuilder builder = NettyChannelBuilder.forTarget(target)
        .usePlaintext()
        .defaultServiceConfig(readServiceConfig(serviceConfig))
        .enableRetry()
        // A server that vanished without a word is noticed, also by a watch that waits for its next event.
        .keepAliveTime(30, TimeUnit.SECONDS)
        .keepAliveTimeout(10, TimeUnit.SECONDS)
        .keepAliveWithoutCalls(true)
        // A fixed window: downloads are fast from the first byte on.
        .flowControlWindow(8 << 20);
    if (apiKey != null && !apiKey.isEmpty()) {
      Metadata headers = new Metadata();
      headers.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + apiKey);
      builder.intercept(MetadataUtils.newAttachHeadersInterceptor(headers));
    }
    channel = builder.build();
    stub = MediaGenerationGrpc.newBlockingStub(channel);
  }

  /** Gson makes every number a Double, as grpc-java wants them. */
  @SuppressWarnings("unchecked")
  private static Map<String, ?> readServiceConfig(Path file) throws IOException {
    try (Reader reader = Files.newBufferedReader(file)) {
      return new Gson().fromJson(reader, Map.class);
    }
  }

  /** For calls with one answer. A deadline begins when it is set, so every call takes a new stub. */
  MediaGenerationBlockingStub unary() {
    return stub.withDeadlineAfter(UNARY_DEADLINE_SECONDS, TimeUnit.SECONDS);
  }

  /** For streams, which take their time; keepalive notices a server that is gone. */
  MediaGenerationBlockingStub streaming() {
    return stub;
  }

  /** Connects at once where the connection is lost; by itself the channel would wait for up to two minutes. */
  void reconnect() {
    channel.resetConnectBackoff();
  }

  static boolean isTerminal(Task task) {
    return switch (task.getStatus()) {
      case TASK_STATUS_COMPLETED, TASK_STATUS_FAILED, TASK_STATUS_CANCELLED -> true;
      default -> false;
    };
  }

  /** Why a call was refused. */
  static Optional<ErrorInfo> errorInfo(StatusRuntimeException error) {
    return detail(error, ErrorInfo.class);
  }

  /** Each bad field of a request. */
  static List<BadRequest.FieldViolation> violations(StatusRuntimeException error) {
    return detail(error, BadRequest.class).map(BadRequest::getFieldViolationsList).orElse(List.of());
  }

  private static <T extends Message> Optional<T> detail(StatusRuntimeException error, Class<T> type) {
    for (Any any : StatusProto.fromThrowable(error).getDetailsList()) {
      if (any.is(type)) {
        try {
          return Optional.of(any.unpack(type));
        } catch (InvalidProtocolBufferException malformed) {
          throw new IllegalArgumentException("malformed details", malformed);
        }
      }
    }
    return Optional.empty();
  }

  @Override
  public void close() {
    channel.shutdownNow();
  }
}
