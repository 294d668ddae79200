/** Keys that Kafka had up to 3.x and dropped in 4.0: an old server.properties still holds them. Clients see them without their values. */
import { type ConfigKey, password, string } from '../../../base.ts'
import { because } from '../because.ts'

/** Zookeeper mode, message format versions, replica mover details, the old quota defaults, listeners before KIP-103. */
const names = `zookeeper.connect zookeeper.session.timeout.ms zookeeper.connection.timeout.ms zookeeper.set.acl
zookeeper.max.in.flight.requests zookeeper.sync.time.ms zookeeper.metadata.migration.enable zookeeper.clientCnxnSocket
zookeeper.ssl.client.enable zookeeper.ssl.keystore.location zookeeper.ssl.keystore.password zookeeper.ssl.keystore.type
zookeeper.ssl.truststore.location zookeeper.ssl.truststore.password zookeeper.ssl.truststore.type zookeeper.ssl.protocol
zookeeper.ssl.enabled.protocols zookeeper.ssl.cipher.suites zookeeper.ssl.endpoint.identification.algorithm zookeeper.ssl.crl.enable
zookeeper.ssl.ocsp.enable broker.id.generation.enable reserved.broker.max.id inter.broker.protocol.version control.plane.listener.name
log.message.format.version log.message.downconversion.enable log.message.timestamp.difference.max.ms
controlled.shutdown.max.retries controlled.shutdown.retry.backoff.ms leader.imbalance.per.broker.percentage
quota.producer.default quota.consumer.default password.encoder.secret password.encoder.old.secret
password.encoder.keyfactory.algorithm password.encoder.cipher.algorithm password.encoder.key.length password.encoder.iterations
offsets.commit.required.acks delegation.token.master.key replica.fetch.threads auto.include.jmx.reporter metrics.jmx.include
metrics.jmx.exclude log.cleaner.hash.algorithm eligible.leader.replicas.enable group.coordinator.new.enable`

const secret = /\.(?:password|secret|key)$/
const spec = { doc: 'A key of older versions of Kafka.', accepted: because.retired }

export const retiredKeys: Readonly<Record<string, ConfigKey>> = Object.fromEntries(
  names.split(/\s+/).map(name => [name, secret.test(name) ? password(spec) : string({ default: null, ...spec })]),
)
