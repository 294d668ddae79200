import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.errors.*;

/** Somebody with a password and no grants, and somebody without: refused again and again, also by a broker that has only just come back. */
final class Intruder {
  private static Place place;

  public static void main(String[] arguments) throws Exception {
    place = new Place(arguments[0]);
    while (!place.stopping()) {
      attempt("write", TopicAuthorizationException.class, () -> write("intruder", "ledger"));
      attempt("read", TopicAuthorizationException.class, Intruder::read);
      // What is refused first, the group or the topic, is a race within the client.
      attempt("join", AuthorizationException.class, Intruder::join);
      attempt("fence", TransactionalIdAuthorizationException.class, Intruder::fence);
      attempt("grant", ClusterAuthorizationException.class, Intruder::grant);
      attempt("other-password", SaslAuthenticationException.class, () -> write("stranger", "ledger"));
      Thread.sleep(500);
    }
    place.tell("done");
    Runtime.getRuntime().halt(0);
  }

  private static void attempt(String what, Class<?> wanted, Place.Body body) {
    try {
      body.run();
      place.broken(what, new AssertionError("it was let in"));
    } catch (Throwable e) {
      Throwable root = e instanceof java.util.concurrent.ExecutionException || e.getClass() == org.apache.kafka.common.KafkaException.class && e.getCause() != null ? e.getCause() : e;
      if (wanted.isInstance(root)) place.tell("refused", what);
      else if (Place.away(root)) place.tell("away", what);
      else place.broken(what, e);
    }
  }

  private static void write(String user, String topic) throws Exception {
    try (KafkaProducer<String, String> producer = place.producer(user, "max.block.ms", "8000", "delivery.timeout.ms", "10000", "request.timeout.ms", "5000")) {
      producer.send(new ProducerRecord<>(topic, "intruder", "intruder")).get();
    }
  }

  private static void read() throws Exception {
    try (KafkaConsumer<String, String> consumer = place.consumer("intruder", "group.id", "readers")) {
      consumer.assign(List.of(new org.apache.kafka.common.TopicPartition("ledger", 0)));
      consumer.seek(new org.apache.kafka.common.TopicPartition("ledger", 0), 0);
      consumer.poll(Duration.ofSeconds(8));
      throw new org.apache.kafka.common.errors.TimeoutException("nothing came");
    }
  }

  private static void join() throws Exception {
    try (KafkaConsumer<String, String> consumer = place.consumer("intruder", "group.id", "readers", "group.protocol", "consumer")) {
      consumer.subscribe(List.of("ledger"));
      for (int i = 0; i < 8; i++) if (!consumer.poll(Duration.ofSeconds(1)).isEmpty()) return;
      throw new org.apache.kafka.common.errors.TimeoutException("nothing came");
    }
  }

  private static void fence() throws Exception {
    try (KafkaProducer<String, String> producer = place.producer("intruder", "transactional.id", "pipeline-0", "max.block.ms", "8000")) {
      producer.initTransactions();
    }
  }

  private static void grant() throws Exception {
    try (Admin admin = place.admin("intruder")) {
      Place.get(admin.describeAcls(org.apache.kafka.common.acl.AclBindingFilter.ANY).values());
    }
  }
}
