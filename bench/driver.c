/*
 * The cheap client of the benchmarks: librdkafka driven from C, so that on two cores the broker is what is measured. Every mode prints
 * one JSON object as its last line.
 *
 *   driver produce HOST:PORT TOPIC producers=1 partitions=1 size=1024 seconds=5 rate=0 records=0
 *   driver latency HOST:PORT TOPIC size=100 seconds=5          one record at a time: to its acknowledgement, and to a consumer
 *   driver consume HOST:PORT TOPIC consumers=1 partitions=1 records=1000 from=beginning|end   prints "ready" when positioned
 *   driver group   HOST:PORT TOPIC members=100                 until each member has its share of as many partitions
 *   driver topics  HOST:PORT PREFIX topics=1000 partitions=5   creates PREFIX-0 … in requests of 50
 *   driver metadata HOST:PORT - requests=100                   all topics, one request after the other
 *   driver first   HOST:PORT TOPIC                             one record, to a broker that may not lead yet
 *   driver paced   HOST:PORT TOPIC rate=1000 seconds=5 partitions=1 size=100 out=FILE until=FILE   records at fixed times, whatever becomes
 *                  of earlier ones; prints "ready" when the first is due; ends when the file `until` is there; `out` has struct moment for each
 *
 * Any option with a dot in its name is librdkafka's (acks, compression.codec=lz4, topic.…); acks too.
 */
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { payloads = 1021, maxLatencies = 4000000 };

static int argumentCount;
static char **arguments;
static const char *bootstrap, *topic;
static atomic_long delivered, failed;
static char *payload;

static void die(const char *format, ...) {
  va_list list;
  va_start(list, format);
  vfprintf(stderr, format, list);
  va_end(list);
  fputc('\n', stderr);
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static const char *text(const char *name, const char *otherwise) {
  size_t length = strlen(name);
  for (int i = 4; i < argumentCount; i++)
    if (strncmp(arguments[i], name, length) == 0 && arguments[i][length] == '=') return arguments[i] + length + 1;
  return otherwise;
}

static long number(const char *name, long otherwise) {
  const char *value = text(name, NULL);
  return value == NULL ? otherwise : atol(value);
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
  char error[256];
  if (rd_kafka_conf_set(conf, name, value, error, sizeof error) != RD_KAFKA_CONF_OK) die("%s=%s: %s", name, value, error);
}

static rd_kafka_conf_t *configuration(void) {
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  set(conf, "bootstrap.servers", bootstrap);
  set(conf, "log_level", "2");
  set(conf, "socket.nagle.disable", "true");
  return conf;
}

/* What the command line says comes last, so that it wins. */
static rd_kafka_t *client(rd_kafka_type_t type, rd_kafka_conf_t *conf) {
  for (int i = 4; i < argumentCount; i++) {
    char name[128];
    const char *equals = strchr(arguments[i], '=');
    if (equals == NULL || (size_t)(equals - arguments[i]) >= sizeof name) die("write key=value instead of %s", arguments[i]);
    memcpy(name, arguments[i], (size_t)(equals - arguments[i]));
    name[equals - arguments[i]] = 0;
    int forProducer = strcmp(name, "acks") == 0 || strncmp(name, "batch.", 6) == 0 || strncmp(name, "queue.", 6) == 0 ||
                      strncmp(name, "compression.", 12) == 0 || strcmp(name, "linger.ms") == 0 || strcmp(name, "enable.idempotence") == 0 ||
                      strcmp(name, "message.timeout.ms") == 0 || strcmp(name, "retry.backoff.ms") == 0;
    int forConsumer = strncmp(name, "fetch.", 6) == 0;
    if (strchr(name, '.') == NULL && strcmp(name, "acks") != 0) continue;
    if ((forProducer && type != RD_KAFKA_PRODUCER) || (forConsumer && type != RD_KAFKA_CONSUMER)) continue;
    set(conf, name, equals + 1);
  }
  char error[256];
  rd_kafka_t *rk = rd_kafka_new(type, conf, error, sizeof error);
  if (rk == NULL) die("%s", error);
  return rk;
}

/* Capital letters by chance, as Kafka's own performance tool sends them. */
static void makePayloads(long size) {
  uint64_t x = 0x9E3779B97F4A7C15u;
  payload = malloc((size_t)(payloads * size));
  for (long i = 0; i < payloads * size; i++) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    payload[i] = (char)('A' + (x >> 33) % 26);
  }
}

static void onDelivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque) {
  (void)rk, (void)opaque;
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) atomic_fetch_add_explicit(&delivered, 1, memory_order_relaxed);
  else if (atomic_fetch_add(&failed, 1) == 0) fprintf(stderr, "delivery: %s\n", rd_kafka_err2str(message->err));
}

struct producer {
  pthread_t thread;
  long index, partitions, size, records;
  double end, rate;
};

static void *produceLoop(void *of) {
  struct producer *me = of;
  rd_kafka_conf_t *conf = configuration();
  rd_kafka_conf_set_dr_msg_cb(conf, onDelivery);
  set(conf, "queue.buffering.max.kbytes", "65536");
  rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, conf);
  rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
  double began = now();
  long partition = me->index * 7919 % me->partitions;
  for (long i = 0; me->records == 0 || i < me->records; i++) {
    if (i % 16 == 0) {
      if (me->end > 0 && now() >= me->end) break;
      if (me->rate > 0) {
        double ahead = (double)i / me->rate - (now() - began);
        if (ahead > 0.001) usleep((useconds_t)(ahead * 1e6));
      }
      rd_kafka_poll(rk, 0);
    }
    void *bytes = payload + (size_t)((i + me->index * 31) % payloads) * (size_t)me->size;
    while (rd_kafka_produce(rkt, (int32_t)partition, RD_KAFKA_MSG_F_COPY, bytes, (size_t)me->size, NULL, 0, NULL) == -1) {
      if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) die("produce: %s", rd_kafka_err2str(rd_kafka_last_error()));
      rd_kafka_poll(rk, 10);
      if (me->end > 0 && now() >= me->end) break;
    }
    if (++partition == me->partitions) partition = 0;
  }
  /* With an end by time, what still waits in the client's queue never reached the broker. */
  if (me->records == 0) rd_kafka_purge(rk, RD_KAFKA_PURGE_F_QUEUE);
  if (rd_kafka_flush(rk, 120000) != RD_KAFKA_RESP_ERR_NO_ERROR) die("records were still not acknowledged after two minutes");
  rd_kafka_topic_destroy(rkt);
  rd_kafka_destroy(rk);
  return NULL;
}

static void produce(void) {
  long producers = number("producers", 1), size = number("size", 1024), records = number("records", 0);
  double seconds = records > 0 ? 0 : (double)number("seconds", 5), began = now();
  struct producer *all = calloc((size_t)producers, sizeof *all);
  makePayloads(size);
  for (long i = 0; i < producers; i++) {
    all[i] = (struct producer){.index = i, .partitions = number("partitions", 1), .size = size, .records = records / producers};
    all[i].rate = (double)number("rate", 0) / (double)producers;
    all[i].end = seconds > 0 ? began + seconds : 0;
    pthread_create(&all[i].thread, NULL, produceLoop, &all[i]);
  }
  for (long i = 0; i < producers; i++) pthread_join(all[i].thread, NULL);
  double took = now() - began;
  if (records > 0 && failed > 0) die("%ld records were refused", (long)failed);
  printf("{\"records\":%ld,\"bytes\":%ld,\"seconds\":%.6f}\n", (long)delivered, (long)delivered * size, took);
}

static double sentAt;
static double ackedAt;
static void onOneDelivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque) {
  (void)rk, (void)opaque;
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) die("delivery: %s", rd_kafka_err2str(message->err));
  ackedAt = now();
}

static double receivedAt;
static atomic_long received;
static atomic_int stopping;

static void *receiveLoop(void *of) {
  rd_kafka_queue_t *queue = of;
  while (!stopping) {
    rd_kafka_message_t *message = rd_kafka_consume_queue(queue, 100);
    if (message == NULL) continue;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      receivedAt = now();
      atomic_fetch_add(&received, 1);
    } else if (message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) die("consume: %s", rd_kafka_message_errstr(message));
    rd_kafka_message_destroy(message);
  }
  return NULL;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void percentiles(const char *name, double *values, long count) {
  qsort(values, (size_t)count, sizeof *values, ascending);
  printf("\"%sP50\":%.6f,\"%sP99\":%.6f,", name, values[count / 2] * 1e3, name, values[count * 99 / 100] * 1e3);
}

static rd_kafka_queue_t *follow(rd_kafka_t *rk, long partitions, int fromEnd) {
  rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
  rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
  for (long i = 0; i < partitions; i++) {
    int64_t low, high;
    rd_kafka_resp_err_t error; /* One that asks only once may be told of a leader that has just changed. */
    for (int attempt = 0; attempt < 50; attempt++, usleep(100000))
      if ((error = rd_kafka_query_watermark_offsets(rk, topic, (int32_t)i, &low, &high, 30000)) == RD_KAFKA_RESP_ERR_NO_ERROR) break;
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) die("offsets of %s-%ld: %s", topic, i, rd_kafka_err2str(error));
    if (rd_kafka_consume_start_queue(rkt, (int32_t)i, fromEnd ? high : low, queue) == -1) die("cannot consume");
  }
  return queue;
}

static void latency(void) {
  long size = number("size", 100), warmup = number("warmup", 20), count = 0;
  makePayloads(size);
  rd_kafka_t *consumer = client(RD_KAFKA_CONSUMER, configuration());
  rd_kafka_queue_t *queue = follow(consumer, 1, 1);
  pthread_t receiver;
  pthread_create(&receiver, NULL, receiveLoop, queue);
  rd_kafka_conf_t *conf = configuration();
  rd_kafka_conf_set_dr_msg_cb(conf, onOneDelivery);
  set(conf, "queue.buffering.max.ms", "0");
  rd_kafka_t *producer = client(RD_KAFKA_PRODUCER, conf);
  rd_kafka_topic_t *rkt = rd_kafka_topic_new(producer, topic, NULL);
  double *produced = malloc(maxLatencies * sizeof *produced), *arrived = malloc(maxLatencies * sizeof *arrived);
  double end = now() + (double)number("seconds", 5);
  for (long i = 0; (now() < end || count == 0) && count < maxLatencies; i++) {
    ackedAt = 0;
    sentAt = now();
    void *bytes = payload + (size_t)(i % payloads) * (size_t)size;
    if (rd_kafka_produce(rkt, 0, RD_KAFKA_MSG_F_COPY, bytes, (size_t)size, NULL, 0, NULL) == -1) die("produce");
    while (ackedAt == 0) rd_kafka_poll(producer, 100);
    while (received <= i) {
      usleep(5);
      if (now() > end + 30) die("record %ld was never delivered", i);
    }
    if (i < warmup) continue;
    produced[count] = ackedAt - sentAt;
    arrived[count++] = receivedAt - sentAt;
  }
  stopping = 1;
  pthread_join(receiver, NULL);
  printf("{");
  percentiles("produce", produced, count);
  percentiles("endToEnd", arrived, count);
  printf("\"records\":%ld}\n", count);
}

struct consumer {
  pthread_t thread;
  rd_kafka_t *rk;
  rd_kafka_queue_t *queue;
  long records, got, bytes;
};

static void *consumeLoop(void *of) {
  struct consumer *me = of;
  rd_kafka_message_t *messages[1000];
  double quiet = now();
  while (me->got < me->records) {
    ssize_t count = rd_kafka_consume_batch_queue(me->queue, 100, messages, 1000);
    if (count > 0) quiet = now();
    else if (now() - quiet > 60) die("nothing more came after %ld records of %ld", me->got, me->records);
    for (ssize_t i = 0; i < count; i++) {
      if (messages[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR) me->got++, me->bytes += (long)messages[i]->len;
      else if (messages[i]->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) die("consume: %s", rd_kafka_message_errstr(messages[i]));
      rd_kafka_message_destroy(messages[i]);
    }
  }
  return NULL;
}

static void consume(void) {
  long consumers = number("consumers", 1), bytes = 0, records = 0;
  struct consumer *all = calloc((size_t)consumers, sizeof *all);
  double began = now();
  for (long i = 0; i < consumers; i++) {
    all[i].rk = client(RD_KAFKA_CONSUMER, configuration());
    all[i].records = number("records", 1000);
    all[i].queue = follow(all[i].rk, number("partitions", 1), strcmp(text("from", "beginning"), "end") == 0);
    pthread_create(&all[i].thread, NULL, consumeLoop, &all[i]);
  }
  puts("ready");
  fflush(stdout);
  for (long i = 0; i < consumers; i++) {
    pthread_join(all[i].thread, NULL);
    bytes += all[i].bytes, records += all[i].got;
  }
  printf("{\"records\":%ld,\"bytes\":%ld,\"seconds\":%.6f}\n", records, bytes, now() - began);
}

static void group(void) {
  long members = number("members", 100), settled = 0;
  rd_kafka_t **all = calloc((size_t)members, sizeof *all);
  char id[64];
  snprintf(id, sizeof id, "bench-%ld", (long)getpid());
  rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
  double began = now();
  for (long i = 0; i < members; i++) {
    rd_kafka_conf_t *conf = configuration();
    set(conf, "group.id", id);
    all[i] = client(RD_KAFKA_CONSUMER, conf);
    rd_kafka_poll_set_consumer(all[i]);
    rd_kafka_subscribe(all[i], topics);
  }
  while (settled < members) {
    settled = 0;
    for (long i = 0; i < members; i++) {
      rd_kafka_message_t *message = rd_kafka_consumer_poll(all[i], 0);
      if (message != NULL) rd_kafka_message_destroy(message);
      rd_kafka_topic_partition_list_t *mine = NULL;
      if (rd_kafka_assignment(all[i], &mine) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        settled += mine->cnt == 1;
        rd_kafka_topic_partition_list_destroy(mine);
      }
    }
    if (now() - began > 120) die("only %ld of %ld members had their share after two minutes", settled, members);
    usleep(1000);
  }
  printf("{\"seconds\":%.6f}\n", now() - began);
  fflush(stdout);
  /* Leaving one by one would take longer than the measurement: sessions may expire instead. */
  _exit(0);
}

static void topicsCreated(void) {
  enum { perRequest = 50 };
  long count = number("topics", 1000), partitions = number("partitions", 5);
  rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, configuration());
  rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
  rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
  char error[256], name[256];
  rd_kafka_AdminOptions_set_request_timeout(options, 120000, error, sizeof error);
  rd_kafka_AdminOptions_set_operation_timeout(options, 120000, error, sizeof error);
  const struct rd_kafka_metadata *metadata;
  if (rd_kafka_metadata(rk, 0, NULL, &metadata, 30000) != RD_KAFKA_RESP_ERR_NO_ERROR) die("no metadata");
  double began = now();
  for (long from = 0; from < count; from += perRequest) {
    rd_kafka_NewTopic_t *topics[perRequest];
    long n = count - from < perRequest ? count - from : perRequest;
    for (long i = 0; i < n; i++) {
      snprintf(name, sizeof name, "%s-%ld", topic, from + i);
      topics[i] = rd_kafka_NewTopic_new(name, (int)partitions, 1, error, sizeof error);
    }
    rd_kafka_CreateTopics(rk, topics, (size_t)n, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 180000);
    if (event == NULL || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) die("create topics: %s", event == NULL ? "no answer" : rd_kafka_event_error_string(event));
    size_t results;
    const rd_kafka_topic_result_t **each = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &results);
    for (size_t i = 0; i < results; i++)
      if (rd_kafka_topic_result_error(each[i]) != RD_KAFKA_RESP_ERR_NO_ERROR) die("create topics: %s", rd_kafka_topic_result_error_string(each[i]));
    rd_kafka_event_destroy(event);
    rd_kafka_NewTopic_destroy_array(topics, (size_t)n);
  }
  printf("{\"seconds\":%.6f}\n", now() - began);
}

static void metadata(void) {
  long requests = number("requests", 100);
  rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, configuration());
  double began = 0;
  /* The first makes the connection. */
  for (long i = -1; i < requests; i++) {
    if (i == 0) began = now();
    const struct rd_kafka_metadata *found;
    rd_kafka_resp_err_t error = rd_kafka_metadata(rk, 1, NULL, &found, 30000);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) die("metadata: %s", rd_kafka_err2str(error));
    if (found->topic_cnt == 0) die("no topics are shown");
    rd_kafka_metadata_destroy(found);
  }
  printf("{\"requests\":%ld,\"seconds\":%.6f}\n", requests, now() - began);
}

static void first(void) {
  rd_kafka_conf_t *conf = configuration();
  rd_kafka_conf_set_dr_msg_cb(conf, onOneDelivery);
  set(conf, "reconnect.backoff.ms", "5");
  set(conf, "reconnect.backoff.max.ms", "5");
  set(conf, "topic.metadata.refresh.fast.interval.ms", "10");
  set(conf, "retry.backoff.ms", "10");
  set(conf, "queue.buffering.max.ms", "0");
  makePayloads(100);
  rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, conf);
  rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
  double began = now();
  if (rd_kafka_produce(rkt, 0, RD_KAFKA_MSG_F_COPY, payload, 100, NULL, 0, NULL) == -1) die("produce");
  while (ackedAt == 0) rd_kafka_poll(rk, 1);
  printf("{\"seconds\":%.6f}\n", ackedAt - began);
}

/* On CLOCK_MONOTONIC, in seconds. `acked` and `received` are 0 when that never happened; `acked` is -1 when the caller was told so. */
struct moment {
  double due, acked, received;
};
static struct moment *moments;
static long momentCount;

static void onPacedDelivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque) {
  (void)rk, (void)opaque;
  struct moment *of = message->_private;
  of->acked = message->err == RD_KAFKA_RESP_ERR_NO_ERROR ? now() : -1;
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) atomic_fetch_add(&delivered, 1);
  else if (atomic_fetch_add(&failed, 1) == 0) fprintf(stderr, "delivery: %s\n", rd_kafka_err2str(message->err));
}

static void *deliveryLoop(void *of) {
  while (!stopping) rd_kafka_poll(of, 100);
  return NULL;
}

/* Each record begins with its number. Errors pass, or the record is never received, which is found at the end. */
static void *pacedReceiveLoop(void *of) {
  while (!stopping) {
    rd_kafka_message_t *message = rd_kafka_consume_queue(of, 100);
    if (message == NULL) continue;
    uint64_t index;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR && message->len >= sizeof index) {
      memcpy(&index, message->payload, sizeof index);
      if (index < (uint64_t)momentCount && moments[index].received == 0) moments[index].received = now(), atomic_fetch_add(&received, 1);
    }
    rd_kafka_message_destroy(message);
  }
  return NULL;
}

static void sleepUntil(double at) {
  struct timespec t = {.tv_sec = (time_t)at, .tv_nsec = (long)((at - (double)(time_t)at) * 1e9)};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void paced(void) {
  long size = number("size", 100), partitions = number("partitions", 1), rate = number("rate", 1000), sent = 0;
  const char *out = text("out", NULL), *until = text("until", NULL);
  if (out == NULL || size < 8) die("out=FILE and size=8 or more are needed");
  momentCount = rate * number("seconds", 5);
  moments = calloc((size_t)momentCount, sizeof *moments);
  makePayloads(size);
  rd_kafka_queue_t *queue = follow(client(RD_KAFKA_CONSUMER, configuration()), partitions, 1);
  rd_kafka_conf_t *conf = configuration();
  rd_kafka_conf_set_dr_msg_cb(conf, onPacedDelivery);
  set(conf, "queue.buffering.max.ms", "0");
  set(conf, "queue.buffering.max.messages", "2000000");
  rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, conf);
  rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
  const struct rd_kafka_metadata *known;
  if (rd_kafka_metadata(rk, 0, rkt, &known, 30000) != RD_KAFKA_RESP_ERR_NO_ERROR) die("no metadata");
  pthread_t receiver, deliverer;
  pthread_create(&receiver, NULL, pacedReceiveLoop, queue);
  pthread_create(&deliverer, NULL, deliveryLoop, rk);
  puts("ready");
  fflush(stdout);
  char *value = malloc((size_t)size);
  for (double began = now(); sent < momentCount; sent++) {
    if (until != NULL && sent % (rate / 10 + 1) == 0 && access(until, F_OK) == 0) break;
    struct moment *of = &moments[sent];
    of->due = began + (double)sent / (double)rate;
    if (of->due > now()) sleepUntil(of->due);
    uint64_t index = (uint64_t)sent;
    memcpy(value, payload + (size_t)(sent % payloads) * (size_t)size, (size_t)size);
    memcpy(value, &index, sizeof index);
    if (rd_kafka_produce(rkt, (int32_t)(sent % partitions), RD_KAFKA_MSG_F_COPY, value, (size_t)size, NULL, 0, of) == -1)
      die("produce: %s", rd_kafka_err2str(rd_kafka_last_error()));
  }
  if (rd_kafka_flush(rk, 120000) != RD_KAFKA_RESP_ERR_NO_ERROR) die("records were still not acknowledged after two minutes");
  for (double end = now() + 30; received < delivered && now() < end;) usleep(1000);
  stopping = 1;
  pthread_join(receiver, NULL);
  pthread_join(deliverer, NULL);
  FILE *file = fopen(out, "wb");
  if (file == NULL || fwrite(moments, sizeof *moments, (size_t)sent, file) != (size_t)sent || fclose(file) != 0) die("cannot write %s", out);
  printf("{\"records\":%ld}\n", sent);
}

int main(int count, char **list) {
  if (count < 4) die("usage: driver MODE HOST:PORT TOPIC [key=value …]");
  argumentCount = count, arguments = list, bootstrap = list[2], topic = list[3];
  struct {
    const char *name;
    void (*run)(void);
  } modes[] = {{"produce", produce}, {"latency", latency}, {"consume", consume}, {"group", group}, {"topics", topicsCreated}, {"metadata", metadata}, {"first", first}, {"paced", paced}};
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
    if (strcmp(list[1], modes[i].name) == 0) {
      modes[i].run();
      fflush(stdout);
      /* Tearing librdkafka down is not part of any measurement. */
      _exit(0);
    }
  die("no mode %s", list[1]);
}
