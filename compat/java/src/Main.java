/** `Main HOST:PORT ERA…`: the cases of these eras. Which eras there are is decided where the version is known: suite.ts. */
final class Main {
  public static void main(String[] arguments) throws Exception {
    Kit.bootstrap = arguments[0];
    java.util.List<String> eras = java.util.Arrays.asList(arguments);
    Basic.all(eras.contains("zstd"));
    for (String era : new String[] {"Times", "Modern", "Transactions", "Wide", "Policy", "Heartbeats", "Queues", "Secured"})
      if (eras.contains(era)) Class.forName(era).getDeclaredMethod("all").invoke(null);
    Runtime.getRuntime().halt(0);
  }
}
