/** Keys of change data capture from MySQL and MariaDB, named as Debezium's. */
import { choice, int, intMs, password, string, type ValuesOf } from '../../connector.ts'
import { changeDataKeys, patterns } from '../change-data/keys.ts'
import { accepted } from '../storage/keys.ts'

export const keys = {
  'database.hostname': string({ required: true, importance: 'high', doc: 'Where MySQL or MariaDB runs.' }),
  'database.port': int({ default: 3_306, min: 1, max: 65_535, importance: 'high', doc: 'Its port.' }),
  'database.user': string({
    required: true,
    importance: 'high',
    doc: 'A user with the rights SELECT, RELOAD, SHOW DATABASES, REPLICATION SLAVE and REPLICATION CLIENT.',
  }),
  'database.password': password({ importance: 'high', doc: 'Password of the user.' }),
  'database.server.id': int({
    default: 0,
    min: 0,
    importance: 'high',
    doc: 'The number of this reader among all replicas of the server, which must be its own. 0: made of `topic.prefix`.',
  }),
  'database.ssl.mode': choice(['disabled', 'preferred', 'required', 'verify_ca', 'verify_identity'], {
    default: 'preferred',
    doc: 'TLS: never (also `preferred`), always, with the certificate checked, or with its name as well.',
  }),
  'connect.timeout.ms': intMs({ default: 30_000, min: 1, doc: 'How long connecting may take.' }),
  'connect.keep.alive': accepted('connections are always kept alive'),
  'database.include.list': patterns('Databases to capture. Default: all but those of the system.'),
  'database.exclude.list': patterns('Databases not to capture.'),
  'snapshot.mode': choice(['initial', 'initial_only', 'no_data', 'never', 'when_needed'], {
    default: 'initial',
    doc: 'Rows that are there are read at the first start, then and nothing else, not at all (twice), or also when the server has lost changes.',
  }),
  'snapshot.locking.mode': choice(['minimal', 'none'], {
    default: 'minimal',
    doc: 'MySQL is locked for reading while its position is asked for, or not: then changes of that moment may be missing. MariaDB needs no lock.',
  }),
  'bigint.unsigned.handling.mode': choice(['long', 'precise'], {
    default: 'long',
    doc: 'BIGINT UNSIGNED is int64, which numbers from 2⁶³ on do not fit into, or Decimal.',
  }),
  'include.schema.changes': accepted('tables are described by the binlog itself; there is no topic of changes of schemas'),
  'schema.history.internal.kafka.topic': accepted('tables are described by the binlog itself'),
  'schema.history.internal.kafka.bootstrap.servers': accepted('tables are described by the binlog itself'),
  'enable.time.adjuster': accepted('years have four digits'),
  ...changeDataKeys,
  'time.precision.mode': {
    ...changeDataKeys['time.precision.mode'],
    default: 'adaptive_time_microseconds',
  },
} as const

export type Config = ValuesOf<typeof keys>
