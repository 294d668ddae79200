/** Keys of change data capture from PostgreSQL, named as Debezium's. */
import { boolean, choice, int, intMs, password, string, type ValuesOf } from '../../connector.ts'
import { changeDataKeys, lagKeys, patterns } from '../change-data/keys.ts'
import { accepted } from '../storage/keys.ts'

export const keys = {
  'database.hostname': string({ required: true, importance: 'high', doc: 'Where PostgreSQL runs.' }),
  'database.port': int({ default: 5_432, min: 1, max: 65_535, importance: 'high', doc: 'Its port.' }),
  'database.user': string({ required: true, importance: 'high', doc: 'A user with the right REPLICATION, and SELECT on the tables.' }),
  'database.password': password({ importance: 'high', doc: 'Password of the user.' }),
  'database.dbname': string({ required: true, importance: 'high', doc: 'The database.' }),
  'database.sslmode': choice(['disable', 'prefer', 'require', 'verify-ca', 'verify-full'], {
    default: 'prefer',
    doc: 'TLS: never, where the server has it, always, with its certificate checked, or with its name as well.',
  }),
  'database.sslrootcert': string({ default: '', doc: 'File of the certificates that sign the server’s.' }),
  'database.sslcert': string({ default: '', doc: 'File of the certificate of this client.' }),
  'database.sslkey': string({ default: '', doc: 'File of its key, in PEM.' }),
  'database.sslpassword': password({ doc: 'Password of the key.' }),
  'database.initial.statements': string({ default: '', doc: 'SQL that runs on each connection for queries; statements end with `;`.' }),
  'database.query.timeout.ms': intMs({ default: 600_000, min: 0, doc: 'How long one query may take. 0: as long as it takes.' }),
  'connection.validation.timeout.ms': intMs({ default: 60_000, min: 1, doc: 'How long connecting may take.' }),
  'database.tcpKeepAlive': accepted('connections are always kept alive'),
  'plugin.name': choice(['pgoutput'], { default: 'pgoutput', doc: 'PostgreSQL’s own output plugin; decoderbufs is not spoken.' }),
  'slot.name': string({
    default: 'debezium',
    check: name => (/^[a-z0-9_]{1,63}$/.test(name) ? null : 'may have up to 63 lower-case letters, digits and underscores'),
    doc: 'The replication slot, which is created if it is missing. Each connector needs its own.',
  }),
  'slot.drop.on.stop': boolean({
    default: false,
    doc: 'Whether the slot is dropped when the task ends in order. Changes that come meanwhile are lost: for tests.',
  }),
  'slot.failover': boolean({ default: false, doc: 'Whether a new slot is synchronized to standby servers (PostgreSQL 17).' }),
  'publication.name': string({
    default: 'dbz_publication',
    doc: 'The publication, which is created as `publication.autocreate.mode` says.',
  }),
  'publication.autocreate.mode': choice(['all_tables', 'disabled', 'filtered', 'no_tables'], {
    default: 'all_tables',
    doc: 'A publication that is missing is for all tables (needs a superuser), is an error, is for the captured tables, or is without tables.',
  }),
  'publish.via.partition.root': boolean({ default: false, doc: 'Whether changes of partitions are those of their root table.' }),
  'schema.include.list': patterns('Schemas to capture. Default: all but those of the system.'),
  'schema.exclude.list': patterns('Schemas not to capture.'),
  'snapshot.mode': choice(['initial', 'always', 'initial_only', 'no_data', 'never', 'when_needed'], {
    default: 'initial',
    doc: 'Rows that are there are read at the first start, at each start, at the first start and nothing else, not at all (twice), or also when the slot has lost changes.',
  }),
  'snapshot.locking.mode': accepted('an exported snapshot needs no locks'),
  'snapshot.isolation.mode': accepted('a snapshot is always as of one moment'),
  'status.update.interval.ms': intMs({ default: 10_000, min: 100, doc: 'How often the server is told what is safe in Kafka.' }),
  'hstore.handling.mode': choice(['json', 'map'], { default: 'json', doc: 'Whether hstore is JSON text or a map.' }),
  'interval.handling.mode': choice(['numeric', 'string'], {
    default: 'numeric',
    doc: 'Intervals are microseconds, with months of 30.4375 days, or text in ISO 8601.',
  }),
  'money.fraction.digits': int({ default: 2, min: 0, max: 18, doc: 'Digits of money behind the point.' }),
  'include.unknown.datatypes': boolean({
    default: false,
    doc: 'Whether columns of types that are not known here are written, as bytes of their text.',
  }),
  'message.prefix.include.list': patterns('Prefixes of logical messages (`pg_logical_emit_message`) to capture. Default: all.'),
  'message.prefix.exclude.list': patterns('Prefixes of logical messages not to capture.'),
  'slot.max.retries': accepted('a lost connection is made anew as errors.max.retries says'),
  'slot.retry.delay.ms': accepted('the worker waits, longer each time'),
  'read.only': accepted('nothing is written to tables: marks of snapshots are logical messages'),
  'schema.refresh.mode': accepted('tables are looked up again when PostgreSQL says that they have changed'),
  'lsn.flush.mode': accepted('the server is told what is safe in Kafka after each commit'),
  'flush.lsn.source': boolean({
    default: true,
    importance: 'low',
    doc: 'Whether the server is told what is safe in Kafka. Without, the slot keeps all WAL.',
  }),
  ...changeDataKeys,
  ...lagKeys,
} as const

export type Config = ValuesOf<typeof keys>
