import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import software.amazon.event.ruler.Machine;

/** Reads lines {"pattern": text, "event": text}, and prints for each true, false, or `error` and the message of event-ruler. */
public class Judge {
  public static void main(String[] args) throws Exception {
    ObjectMapper mapper = new ObjectMapper();
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8);
    String known = null;
    Machine machine = null;
    String refused = null;
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      JsonNode pair = mapper.readTree(line);
      String pattern = pair.get("pattern").asText();
      if (!pattern.equals(known)) {
        known = pattern;
        machine = new Machine();
        refused = null;
        try {
          machine.addRule("rule", pattern);
        } catch (Exception error) {
          refused = error.getMessage();
        }
      }
      out.println(answer(machine, refused, pair.get("event").asText()).replaceAll("\\s+", " "));
    }
    out.flush();
  }

  private static String answer(Machine machine, String refused, String event) {
    if (refused != null) return "error " + refused;
    try {
      return String.valueOf(!machine.rulesForJSONEvent(event).isEmpty());
    } catch (Exception error) {
      return "error " + error.getMessage();
    }
  }
}
