/** Broker keys of a cluster over PostgreSQL and an object store. */
import { bytes, type Declarations, ms, password, string } from '../../../base.ts'

/** The rest is checked when the broker starts. That parser must not be loaded by a broker that is no cluster's. */
function beginsWith(...schemes: string[]): (text: string) => string | null {
  return text => (schemes.some(scheme => text.startsWith(scheme)) ? null : `It must begin with ${schemes.join(' or ')}`)
}

const databaseForm = 'postgres://user@host:port/database'
const objectsForm = 's3://bucket/prefix?endpoint=https://host:port&region=name'

export const sharedHomeKeys = {
  cluster: password({
    check: beginsWith('postgres://', 'postgresql://'),
    allowed: databaseForm,
    doc: `PostgreSQL of a cluster: ${databaseForm}. The broker then has no data directory: it keeps its data there and in the object store that \`objects\` names. The password may also come from PGPASSWORD.`,
    importance: 'high',
  }),
  objects: string({
    default: null,
    check: beginsWith('s3://'),
    allowed: objectsForm,
    doc: `Object store of a cluster: ${objectsForm}. Credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a web identity, a file, or a role.`,
    importance: 'high',
  }),
  'journal.max.bytes': bytes({
    default: 1_073_741_824,
    min: 67_108_864,
    doc: 'In a cluster: how many bytes of this broker may be in no segment yet. Above it, appends wait.',
  }),
  'objects.cache.bytes': bytes({
    default: 67_108_864,
    min: 8_388_608,
    doc: 'In a cluster: memory for what is read from objects.',
  }),
  'objects.grace.ms': ms({
    default: 3_600_000,
    min: 60_000,
    doc: 'In a cluster: how long an object that is no longer needed is kept. It must be at least as long as the window of point-in-time recovery of the database.',
  }),
  'cluster.inline.bytes.per.second': bytes({
    default: 16_777_216,
    min: 0,
    doc: 'In a cluster: how many bytes per second of small appends all brokers together may write into the database itself. What is more goes into objects.',
  }),
} satisfies Declarations
