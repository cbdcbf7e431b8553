package example;

import com.google.protobuf.ByteString;
import io.grpc.Context;
import io.grpc.StatusRuntimeException;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.function.LongConsumer;
import mediagen.v1.DownloadContentRequest;
import mediagen.v1.DownloadContentResponse;
import mediagen.v1.DownloadContentResponse.Metadata;
import mediagen.v1.Output;

/**
 * Downloads an output by way of a .part file named after it, which takes the place of the file once its
 * SHA-256 is right. What an earlier run left in the .part file is not fetched again.
 *
 * <p>A blocking stub asks for the next chunk when the last one is taken: HTTP/2 holds back what a slow
 * disk cannot take. A deadline of the current context bounds the whole.
 */
final class VerifiedDownload {
  private final Media media;
  private final String taskId;
  private final Output output;
  private final MessageDigest digest = sha256();
  private final Backoff backoff;
  private long offset;

  VerifiedDownload(Media media, String taskId, Output output) {
    this.media = media;
    this.backoff = new Backoff(media);
    this.taskId = taskId;
    this.output = output;
  }

  /** Once. {@code onProgress} is told how many bytes are there; what it throws stops the download. */
  void to(Path file, LongConsumer onProgress) throws IOException {
    Path part = partOf(file, output);
    try (FileOutputStream disk = new FileOutputStream(part.toFile(), true)) {
      try (InputStream kept = Files.newInputStream(part)) {
        offset = kept.transferTo(new DigestOutputStream(OutputStream.nullOutputStream(), digest));
      }
      OutputStream sink = new DigestOutputStream(disk, digest);
      while (offset < output.getSizeBytes()) {
        try {
          copyStream(sink, onProgress);
        } catch (StatusRuntimeException error) {
          backoff.await(error);
        }
      }
      disk.getFD().sync();
    }
    if (!HexFormat.of().formatHex(digest.digest()).equals(output.getSha256())) {
      Files.delete(part);
      throw new IOException(part + ": the bytes are not those of the output");
    }
    Files.move(part, file, StandardCopyOption.REPLACE_EXISTING);
  }

  /** Where the bytes of an output are kept until they are all there: another output has another file. */
  static Path partOf(Path file, Output output) {
    return file.resolveSibling("%s.%.16s.part".formatted(file.getFileName(), output.getSha256()));
  }

  /** Writes what one stream brings, from the offset on. */
  private void copyStream(OutputStream sink, LongConsumer onProgress) throws IOException {
    DownloadContentRequest request = DownloadContentRequest.newBuilder()
        .setTaskId(taskId)
        .setOutputIndex(output.getIndex())
        .setOffset(offset)
        .setExpectedSha256(output.getSha256())
        .build();
    // A blocking stub's stream is cancelled by the context that it was opened in.
    try (Context.CancellableContext call = Context.current().withCancellation()) {
      Context previous = call.attach();
      try {
        copy(media.streaming().downloadContent(request), sink, onProgress);
      } finally {
        call.detach(previous);
      }
    }
  }

  private void copy(Iterator<DownloadContentResponse> parts, OutputStream sink, LongConsumer onProgress)
      throws IOException {
    while (parts.hasNext()) {
      DownloadContentResponse part = parts.next();
      backoff.reset();
      switch (part.getPartCase()) {
        case METADATA -> check(part.getMetadata());
        case CHUNK -> {
          append(sink, part.getChunk().getOffset(), part.getChunk().getData());
          onProgress.accept(offset);
        }
        default -> throw new IOException("neither metadata nor bytes");
      }
    }
    if (offset < output.getSizeBytes()) {
      throw new IOException("the output is shorter than announced");
    }
  }

  private void check(Metadata metadata) throws IOException {
    if (!metadata.getSha256().equals(output.getSha256()) || metadata.getOffset() != offset) {
      throw new IOException("not the output that was asked for");
    }
  }

  private void append(OutputStream sink, long at, ByteString data) throws IOException {
    if (at != offset) {
      throw new IOException("bytes from " + at + " on, where those from " + offset + " on were asked for");
    }
    data.writeTo(sink);
    offset += data.size();
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException impossible) {
      throw new AssertionError("every Java has SHA-256", impossible);
    }
  }
}
