package example;

import com.google.protobuf.ByteString;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.ServerInterceptors;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import mediagen.v1.MediaGenerationGrpc;
import mediagen.v1.CancelRequest;
import mediagen.v1.CancelResponse;
import mediagen.v1.CreateRequest;
import mediagen.v1.CreateResponse;
import mediagen.v1.DownloadContentRequest;
import mediagen.v1.DownloadContentResponse;
import mediagen.v1.EstimateCostRequest;
import mediagen.v1.EstimateCostResponse;
import mediagen.v1.ListModelsRequest;
import mediagen.v1.ListModelsResponse;
import mediagen.v1.ListRequest;
import mediagen.v1.ListResponse;
import mediagen.v1.Output;
import mediagen.v1.StatusRequest;
import mediagen.v1.StatusResponse;
import mediagen.v1.Task;
import mediagen.v1.TaskStatus;
import mediagen.v1.WatchTaskRequest;
import mediagen.v1.WatchTaskResponse;

/** What the client does when a server is in trouble, seen on a server of its own that fails each call once. */
public final class Faults extends MediaGenerationGrpc.MediaGenerationImplBase implements ServerInterceptor {
  private static final String ID = "task_1";
  private static final Metadata.Key<String> PREVIOUS_ATTEMPTS =
      Metadata.Key.of("grpc-previous-rpc-attempts", Metadata.ASCII_STRING_MARSHALLER);

  private final ByteString content = ByteString.copyFrom(new byte[300_000]);
  /** Which attempt each call said that it was, by method. */
  private final Map<String, List<String>> attempts = new ConcurrentHashMap<>();
  private final List<Long> revisions = new CopyOnWriteArrayList<>();
  private final List<Long> offsets = new CopyOnWriteArrayList<>();

  /** Argument: the service config. */
  public static void main(String[] args) throws Exception {
    Faults faults = new Faults();
    Server server = NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
        .addService(ServerInterceptors.intercept(faults, faults))
        .build()
        .start();
    try (Media media = new Media("127.0.0.1:" + server.getPort(), Path.of(args[0]), null)) {
      faults.retries(media);
      faults.watch(media);
      faults.download(media);
    } finally {
      server.shutdownNow();
    }
  }

  private void retries(Media media) {
    media.unary().create(CreateRequest.newBuilder().setRequestId("once").build());
    media.unary().status(StatusRequest.newBuilder().setTaskId(ID).build());
    media.unary().list(ListRequest.getDefaultInstance());
    media.unary().estimateCost(EstimateCostRequest.getDefaultInstance());
    media.unary().listModels(ListModelsRequest.getDefaultInstance());
    for (String method : List.of("Create", "Status", "List", "EstimateCost", "ListModels")) {
      wanted(List.of("none", "1"), attempts.get(method));
    }
    try {
      media.unary().cancel(CancelRequest.newBuilder().setTaskId(ID).build());
      throw new AssertionError("Cancel is none of the calls that are retried");
    } catch (StatusRuntimeException error) {
      wanted(Status.Code.UNAVAILABLE, error.getStatus().getCode());
    }
    wanted(List.of("none"), attempts.get("Cancel"));
    System.out.println("ok: retried by the service config: Create, Status, List, EstimateCost, ListModels; not Cancel");
  }

  private void watch(Media media) {
    List<Long> seen = new ArrayList<>();
    try (ResumableWatch watch = new ResumableWatch(media, ID, 0)) {
      watch.forEachRemaining(task -> seen.add(task.getRevision()));
    }
    wanted(List.of(1L, 2L), seen);
    wanted(List.of(0L, 1L), revisions);
    System.out.println("ok: a watch that ended with UNAVAILABLE went on after revision 1");
  }

  private void download(Media media) throws Exception {
    Path folder = Files.createTempDirectory("mediagen-");
    Path file = folder.resolve("output.mp4");
    try {
      new VerifiedDownload(media, ID, output()).to(file, bytes -> {});
      wanted(List.of(0L, 100_000L), offsets);
      wanted(content, ByteString.copyFrom(Files.readAllBytes(file)));
    } finally {
      Files.deleteIfExists(file);
      Files.delete(folder);
    }
    System.out.println("ok: a download that ended with UNAVAILABLE went on at byte 100000");
  }

  private static void wanted(Object wanted, Object got) {
    if (!wanted.equals(got)) {
      throw new AssertionError("wanted " + wanted + ", got " + got);
    }
  }

  private Output output() throws Exception {
    byte[] digest = MessageDigest.getInstance("SHA-256").digest(content.toByteArray());
    return Output.newBuilder().setSizeBytes(content.size()).setSha256(HexFormat.of().formatHex(digest)).build();
  }

  /** Fails the first call of each method that has one answer. */
  @Override
  public <A, B> ServerCall.Listener<A> interceptCall(
      ServerCall<A, B> call, Metadata headers, ServerCallHandler<A, B> next) {
    if (!call.getMethodDescriptor().getType().serverSendsOneMessage()) {
      return next.startCall(call, headers);
    }
    String method = call.getMethodDescriptor().getBareMethodName();
    List<String> known = attempts.computeIfAbsent(method, name -> new CopyOnWriteArrayList<>());
    String attempt = headers.get(PREVIOUS_ATTEMPTS);
    known.add(attempt == null ? "none" : attempt);
    if (known.size() > 1) {
      return next.startCall(call, headers);
    }
    call.close(Status.UNAVAILABLE, new Metadata());
    return new ServerCall.Listener<>() {};
  }

  @Override
  public void watchTask(WatchTaskRequest request, StreamObserver<WatchTaskResponse> answers) {
    revisions.add(request.getAfterRevision());
    boolean first = request.getAfterRevision() == 0;
    Task task = Task.newBuilder()
        .setRevision(request.getAfterRevision() + 1)
        .setStatus(first ? TaskStatus.TASK_STATUS_IN_PROGRESS : TaskStatus.TASK_STATUS_COMPLETED)
        .build();
    WatchTaskResponse.Heartbeat heartbeat = WatchTaskResponse.Heartbeat.getDefaultInstance();
    answers.onNext(WatchTaskResponse.newBuilder().setHeartbeat(heartbeat).build());
    answers.onNext(WatchTaskResponse.newBuilder().setTask(task).build());
    end(answers, first);
  }

  @Override
  public void downloadContent(DownloadContentRequest request, StreamObserver<DownloadContentResponse> answers) {
    offsets.add(request.getOffset());
    boolean first = request.getOffset() == 0;
    ByteString data = content.substring((int) request.getOffset(), first ? 100_000 : content.size());
    answers.onNext(DownloadContentResponse.newBuilder()
        .setMetadata(DownloadContentResponse.Metadata.newBuilder()
            .setOffset(request.getOffset()).setSha256(request.getExpectedSha256()))
        .build());
    answers.onNext(DownloadContentResponse.newBuilder()
        .setChunk(DownloadContentResponse.Chunk.newBuilder().setOffset(request.getOffset()).setData(data))
        .build());
    end(answers, first);
  }

  private static <T> void end(StreamObserver<T> answers, boolean broken) {
    if (broken) {
      answers.onError(Status.UNAVAILABLE.asRuntimeException());
    } else {
      answers.onCompleted();
    }
  }

  @Override
  public void create(CreateRequest request, StreamObserver<CreateResponse> answer) {
    one(answer, CreateResponse.getDefaultInstance());
  }

  @Override
  public void status(StatusRequest request, StreamObserver<StatusResponse> answer) {
    one(answer, StatusResponse.getDefaultInstance());
  }

  @Override
  public void list(ListRequest request, StreamObserver<ListResponse> answer) {
    one(answer, ListResponse.getDefaultInstance());
  }

  @Override
  public void estimateCost(EstimateCostRequest request, StreamObserver<EstimateCostResponse> answer) {
    one(answer, EstimateCostResponse.getDefaultInstance());
  }

  @Override
  public void listModels(ListModelsRequest request, StreamObserver<ListModelsResponse> answer) {
    one(answer, ListModelsResponse.getDefaultInstance());
  }

  @Override
  public void cancel(CancelRequest request, StreamObserver<CancelResponse> answer) {
    one(answer, CancelResponse.getDefaultInstance());
  }

  private static <T> void one(StreamObserver<T> observer, T answer) {
    observer.onNext(answer);
    observer.onCompleted();
  }
}
