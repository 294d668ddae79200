import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.connect.mirror.RemoteClusterUtils;

/** Prints the offsets of a group as MirrorMaker's client reads them from checkpoints: `Translate BOOTSTRAP ALIAS GROUP`. */
public final class Translate {
  public static void main(String[] args) throws Exception {
    Map<String, Object> properties = new HashMap<>(Map.of("bootstrap.servers", args[0]));
    Map<TopicPartition, OffsetAndMetadata> offsets = RemoteClusterUtils.translateOffsets(properties, args[1], args[2], Duration.ofSeconds(30));
    offsets.forEach((partition, offset) -> System.out.println(partition + " " + offset.offset()));
    System.exit(0);
  }
}
