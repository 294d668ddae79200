import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.resource.*;
import org.apache.kafka.common.security.token.delegation.DelegationToken;

/** Since 2.8: a broker with TLS, SASL and ACLs, which `-Dsecured=FILE` describes. */
final class Secured {
  private static final Properties described = new Properties();

  static void all() throws Exception {
    try (java.io.Reader reader = new java.io.FileReader(System.getProperty("secured"))) { described.load(reader); }
    Kit.check("tls", () -> works(tls("TLS")));
    // 2.8 wants PEM keys to be encrypted.
    boolean since3 = System.getProperty("org.apache.kafka.sasl.oauthbearer.allowed.urls") != null;
    if (since3) Kit.check("mtls", () -> works(tls("SSL", "ssl.keystore.type", "PEM", "ssl.keystore.location", of("files.client"))));
    Kit.check("mtls-without", () -> refused(SslAuthenticationException.class, tls("SSL")));
    Kit.check("sasl-plain", () -> works(sasl("PLAIN", "SASL_SSL", "user")));
    Kit.check("sasl-plaintext", () -> works(sasl("PLAIN", "SASL_PLAINTEXT", "user")));
    Kit.check("sasl-scram-256", () -> works(sasl("SCRAM-SHA-256", "SASL_SSL", "user")));
    Kit.check("sasl-scram-512", () -> works(sasl("SCRAM-SHA-512", "SASL_SSL", "user")));
    if (since3) Kit.check("oauthbearer", () -> works(bearer()));
    Kit.check("wrong-password", Secured::wrongPassword);
    Kit.check("wrong-ca", () -> refused(SslAuthenticationException.class, with(tls("TLS"), "ssl.truststore.location", of("files.otherCa"))));
    Kit.check("forbidden-topic", Secured::forbidden);
    Kit.check("reauth", Secured::reauth);
    Kit.check("txn-forbidden", Secured::forbiddenTransaction);
    Kit.check("admin-acls", Secured::acls);
    Kit.check("delegation-token", Secured::delegationToken);
  }

  static String of(String key) { return Objects.requireNonNull(described.getProperty(key), key); }

  static Properties with(Properties base, String... pairs) {
    Properties all = new Properties();
    all.putAll(base);
    for (int i = 0; i < pairs.length; i += 2) all.put(pairs[i], pairs[i + 1]);
    return all;
  }

  static Properties tls(String listener, String... pairs) {
    return with(Kit.properties("bootstrap.servers", of("bootstraps." + listener), "security.protocol", "SSL", "ssl.truststore.type", "PEM", "ssl.truststore.location", of("files.ca")), pairs);
  }

  static Properties sasl(String mechanism, String listener, String user) { return sasl(mechanism, listener, of(user + ".name"), of(user + ".password"), ""); }

  static Properties sasl(String mechanism, String listener, String name, String password, String options) {
    String module = mechanism.equals("PLAIN") ? "plain.PlainLoginModule" : "scram.ScramLoginModule";
    String jaas = "org.apache.kafka.common.security." + module + " required username=\"" + name + "\" password=\"" + password + "\"" + options + ";";
    return tls(listener, "security.protocol", listener.equals("SASL_PLAINTEXT") ? listener : "SASL_SSL", "sasl.mechanism", mechanism, "sasl.jaas.config", jaas);
  }

  static Properties bearer() {
    return tls("SASL_SSL", "security.protocol", "SASL_SSL", "sasl.mechanism", "OAUTHBEARER", "sasl.oauthbearer.token.endpoint.url", "file://" + of("files.token"),
        "sasl.login.callback.handler.class", "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
        "sasl.jaas.config", "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;");
  }

  static KafkaProducer<String, String> producer(Properties login, String... pairs) {
    return new KafkaProducer<>(with(with(login, "max.block.ms", "20000"), pairs), new org.apache.kafka.common.serialization.StringSerializer(), new org.apache.kafka.common.serialization.StringSerializer());
  }

  static KafkaConsumer<String, String> consumer(Properties login, String group) {
    Properties all = with(login, "group.id", group, "auto.offset.reset", "earliest", "enable.auto.commit", "false");
    return new KafkaConsumer<>(all, new org.apache.kafka.common.serialization.StringDeserializer(), new org.apache.kafka.common.serialization.StringDeserializer());
  }

  static String create(Properties login, String topic) throws Exception {
    try (Admin admin = Admin.create(login)) { Wide.get(admin.createTopics(List.of(Modern.newTopic(topic, 1))).all()); }
    return topic;
  }

  static void send(Properties login, String topic, int count) throws Exception {
    try (KafkaProducer<String, String> producer = producer(login)) {
      List<Future<RecordMetadata>> sent = new ArrayList<>();
      for (int i = 0; i < count; i++) sent.add(producer.send(new ProducerRecord<>(topic, "k", "" + i)));
      for (Future<RecordMetadata> each : sent) each.get(Modern.SECONDS, TimeUnit.SECONDS);
    }
  }

  static void works(Properties login) throws Exception {
    String topic = create(login, Kit.unique("topic"));
    send(login, topic, 100);
    try (KafkaConsumer<String, String> consumer = consumer(login, Kit.unique("group"))) {
      consumer.subscribe(List.of(topic));
      Kit.read(consumer, 100);
      consumer.commitSync();
    }
  }

  static void refused(Class<?> wanted, Properties login) throws Exception { fails(wanted, () -> send(login, Kit.unique("topic"), 1)); }

  static void fails(Class<?> wanted, Kit.Body body) throws Exception {
    try {
      body.run();
    } catch (Exception e) {
      Throwable root = e instanceof ExecutionException || e.getClass() == KafkaException.class && e.getCause() != null ? e.getCause() : e;
      Kit.isTrue(wanted.isInstance(root), root + " instead of " + wanted.getSimpleName());
      return;
    }
    throw new AssertionError("no " + wanted.getSimpleName());
  }

  static void wrongPassword() throws Exception {
    for (String mechanism : List.of("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")) {
      refused(SaslAuthenticationException.class, sasl(mechanism, "SASL_SSL", of("user.name"), "guess", ""));
      refused(SaslAuthenticationException.class, sasl(mechanism, "SASL_SSL", "nobody", of("user.password"), ""));
    }
  }

  static void forbidden() throws Exception {
    Properties user = sasl("SCRAM-SHA-512", "SASL_SSL", "user"), root = sasl("PLAIN", "SASL_SSL", "admin");
    String topic = create(root, "forbidden-" + Kit.unique("topic"));
    fails(TopicAuthorizationException.class, () -> send(user, topic, 1));
    fails(TopicAuthorizationException.class, () -> create(user, topic + "-2"));
    try (KafkaConsumer<String, String> consumer = consumer(user, Kit.unique("group")); KafkaConsumer<String, String> other = consumer(user, "forbidden")) {
      consumer.assign(List.of(new TopicPartition(topic, 0)));
      fails(TopicAuthorizationException.class, () -> Kit.until("it is refused", () -> { Kit.poll(consumer); return false; }));
      other.subscribe(List.of(create(user, Kit.unique("topic"))));
      fails(GroupAuthorizationException.class, () -> Kit.until("it is refused", () -> { Kit.poll(other); return false; }));
    }
    try (Admin admin = Admin.create(user)) {
      Wide.fails(admin.describeAcls(AclBindingFilter.ANY).values(), ClusterAuthorizationException.class);
      Kit.isTrue(!Wide.get(admin.listTopics().names()).contains(topic), "it is listed");
    }
    // One that is there is not told apart from one that is not.
    for (String each : List.of(topic, "nowhere"))
      try (KafkaConsumer<String, String> consumer = consumer(user, Kit.unique("group"))) { fails(TopicAuthorizationException.class, () -> consumer.partitionsFor(each)); }
  }

  static void reauth() throws Exception {
    Properties login = sasl("SCRAM-SHA-256", "REAUTH", "user");
    String topic = create(login, Kit.unique("topic"));
    try (KafkaProducer<String, String> producer = producer(login, "retries", "0"); KafkaConsumer<String, String> consumer = consumer(login, Kit.unique("group"))) {
      consumer.subscribe(List.of(topic));
      int got = 0;
      for (int i = 0; i < 24; i++) {
        producer.send(new ProducerRecord<>(topic, "k", "v")).get(Modern.SECONDS, TimeUnit.SECONDS);
        got += Kit.poll(consumer).count();
        Thread.sleep(250);
      }
      for (int i = 0; i < 50 && got < 24; i++) got += Kit.poll(consumer).count();
      Kit.equal(got, 24);
    }
  }

  static void forbiddenTransaction() throws Exception {
    try (KafkaProducer<String, String> producer = producer(sasl("SCRAM-SHA-512", "SASL_SSL", "user"), "transactional.id", "forbidden")) {
      fails(TransactionalIdAuthorizationException.class, producer::initTransactions);
    }
  }

  private static AclBinding acl(String user, ResourceType type, String name, PatternType pattern, AclOperation operation, AclPermissionType permission) {
    return new AclBinding(new ResourcePattern(type, name, pattern), new AccessControlEntry("User:" + user, "*", operation, permission));
  }

  static void acls() throws Exception {
    Properties root = sasl("PLAIN", "SASL_SSL", "admin");
    String name = Kit.unique("user"), prefix = "granted-" + Kit.unique("topic");
    try (Admin admin = Admin.create(root)) {
      Wide.get(admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(name, new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), "secret"))).all());
      Properties user = sasl("SCRAM-SHA-256", "SASL_SSL", name, "secret", "");
      String topic = create(root, prefix + "-1");
      Kit.until("it may log in", () -> { try { fails(TopicAuthorizationException.class, () -> send(user, topic, 1)); return true; } catch (AssertionError e) { return false; } });
      AclBinding allow = acl(name, ResourceType.TOPIC, prefix, PatternType.PREFIXED, AclOperation.WRITE, AclPermissionType.ALLOW);
      AclBinding deny = acl(name, ResourceType.TOPIC, topic, PatternType.LITERAL, AclOperation.ALL, AclPermissionType.DENY);
      Wide.get(admin.createAcls(List.of(allow)).all());
      Kit.until("it may write", () -> may(user, topic));
      Wide.get(admin.createAcls(List.of(deny)).all());
      Kit.until("it may not write", () -> !may(user, topic));
      AclBindingFilter of = new AclBindingFilter(ResourcePatternFilter.ANY, new AccessControlEntryFilter("User:" + name, null, AclOperation.ANY, AclPermissionType.ANY));
      Kit.equal(new HashSet<>(Wide.get(admin.describeAcls(of).values())), Set.of(allow, deny));
      AclBindingFilter match = new AclBindingFilter(new ResourcePatternFilter(ResourceType.TOPIC, topic, PatternType.MATCH), new AccessControlEntryFilter("User:" + name, null, AclOperation.WRITE, AclPermissionType.ANY));
      Kit.equal(new HashSet<>(Wide.get(admin.describeAcls(match).values())), Set.of(allow));
      Kit.equal(new HashSet<>(Wide.get(admin.deleteAcls(List.of(deny.toFilter())).all())), Set.of(deny));
      Kit.until("it may write again", () -> may(user, topic));
      Wide.get(admin.deleteAcls(List.of(of)).all());
      Kit.equal(Wide.get(admin.describeAcls(of).values()).size(), 0);
      DescribeClusterOptions operations = new DescribeClusterOptions().includeAuthorizedOperations(true);
      Kit.isTrue(Wide.get(admin.describeCluster(operations).authorizedOperations()).contains(AclOperation.ALTER_CONFIGS), "root may not alter");
      try (Admin other = Admin.create(user)) { Kit.equal(Wide.get(other.describeCluster(operations).authorizedOperations()), Set.of()); }
    }
  }

  private static boolean may(Properties user, String topic) throws Exception {
    try {
      send(user, topic, 1);
      return true;
    } catch (ExecutionException e) {
      Kit.isTrue(e.getCause() instanceof TopicAuthorizationException, String.valueOf(e.getCause()));
      return false;
    }
  }

  static void delegationToken() throws Exception {
    Properties user = sasl("SCRAM-SHA-512", "SASL_SSL", "user");
    try (Admin admin = Admin.create(user)) {
      CreateDelegationTokenOptions options = new CreateDelegationTokenOptions().renewers(List.of());
      DelegationToken token = Wide.get(admin.createDelegationToken(options).delegationToken());
      String id = token.tokenInfo().tokenId();
      Properties login = sasl("SCRAM-SHA-256", "SASL_SSL", id, token.hmacAsBase64String(), " tokenauth=\"true\"");
      Kit.until("it is known", () -> Wide.get(admin.describeDelegationToken().delegationTokens()).stream().anyMatch(each -> each.tokenInfo().tokenId().equals(id)));
      works(login);
      try (Admin other = Admin.create(login)) { Wide.fails(other.createDelegationToken().delegationToken(), UnsupportedByAuthenticationException.class); }
      long until = Wide.get(admin.renewDelegationToken(token.hmac(), new RenewDelegationTokenOptions().renewTimePeriodMs(60_000)).expiryTimestamp());
      Kit.isTrue(until <= System.currentTimeMillis() + 60_000 && until > System.currentTimeMillis() + 20_000, "it expires at " + until);
      Wide.get(admin.expireDelegationToken(token.hmac(), new ExpireDelegationTokenOptions().expiryTimePeriodMs(-1)).expiryTimestamp());
      Kit.until("it is gone", () -> Wide.get(admin.describeDelegationToken().delegationTokens()).stream().noneMatch(each -> each.tokenInfo().tokenId().equals(id)));
      refused(SaslAuthenticationException.class, login);
    }
  }
}
