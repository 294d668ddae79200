import java.io.*;
import java.nio.file.*;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.resource.*;

/** `Prepare PROPERTIES FILE`: the users, topics, grants and group configs that the lines of the file ask for. */
final class Prepare {
  public static void main(String[] arguments) throws Exception {
    Properties login = new Properties();
    try (Reader reader = Files.newBufferedReader(Path.of(arguments[0]))) { login.load(reader); }
    try (Admin admin = Admin.create(login)) {
      for (String line : Files.readAllLines(Path.of(arguments[1]))) apply(admin, line.split("\t"));
    }
  }

  private static void apply(Admin admin, String[] words) throws Exception {
    switch (words[0]) {
      case "user" -> Place.get(admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(words[1], new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), words[2]))).all());
      case "topic" -> Place.get(admin.createTopics(List.of(new NewTopic(words[1], Integer.parseInt(words[2]), (short) 1).configs(pairs(words, 3)))).all());
      case "group" -> {
        List<AlterConfigOp> ops = new ArrayList<>();
        pairs(words, 2).forEach((key, value) -> ops.add(new AlterConfigOp(new ConfigEntry(key, value), AlterConfigOp.OpType.SET)));
        Place.get(admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.GROUP, words[1]), ops)).all());
      }
      case "allow" -> {
        ResourcePattern pattern = new ResourcePattern(ResourceType.fromString(words[3]), words[5], PatternType.fromString(words[4]));
        AccessControlEntry entry = new AccessControlEntry("User:" + words[1], "*", AclOperation.fromString(words[2]), AclPermissionType.ALLOW);
        Place.get(admin.createAcls(List.of(new AclBinding(pattern, entry))).all());
      }
      default -> throw new IllegalArgumentException(words[0]);
    }
  }

  private static Map<String, String> pairs(String[] words, int from) {
    Map<String, String> pairs = new HashMap<>();
    for (int i = from; i < words.length; i++) pairs.put(words[i].substring(0, words[i].indexOf('=')), words[i].substring(words[i].indexOf('=') + 1));
    return pairs;
  }
}
