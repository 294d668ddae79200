/**
 * Sink: files in HDFS over WebHDFS, with the keys of Confluent's HDFS sink connector.
 *
 * Exactly once: a file is written under a temporary name and renamed when it is complete; its name has the first and the last offset. A task goes on behind
 * the highest offset that it finds in HDFS, whatever was committed in Kafka.
 */
import { boolean, choice, defineSink, int, intBytes, list, ms, password, string, type ValuesOf } from '../../connector.ts'
import { firstProblem } from '../entries.ts'
import { requireNone } from '../required.ts'
import { checkStorage, recommendStorage } from '../storage/check.ts'
import { FileTask } from '../storage/file-task.ts'
import { accepted, storageKeys } from '../storage/keys.ts'
import { HdfsStorage } from './files.ts'
import { WebHdfs } from './webhdfs.ts'

const keys = {
  'hdfs.url': list({
    required: true,
    importance: 'high',
    doc: 'Addresses of the NameNodes’ HTTP interface, as in http://namenode:9870; of several the active one is used. webhdfs:// and swebhdfs:// mean http:// and https://.',
    allowed: 'http, https, webhdfs or swebhdfs URLs',
    check: text => firstProblem(text, urlProblem),
  }),
  'hdfs.user': string({
    default: '',
    importance: 'high',
    doc: 'Who writes, where HDFS asks for no proof (user.name). Empty: whom HDFS takes by default.',
  }),
  'hdfs.delegation.token': password({ importance: 'high', doc: 'Delegation token, where HDFS asks for proof.' }),
  'hdfs.request.timeout.ms': ms({ default: 60_000, min: 100, doc: 'How long a request may take.' }),
  'hdfs.append.bytes': intBytes({
    default: 8 * 2 ** 20,
    min: 2 ** 16,
    max: 2 ** 30,
    doc: 'How much is sent with a request. So much is held for each open file.',
  }),
  'hdfs.compression.type': choice(['none', 'gzip', 'zstd'] as const, {
    default: 'none',
    ignoreCase: true,
    doc: 'Compression of files of the formats json, csv and bytes. Avro and Parquet have codecs of their own.',
  }),
  'hdfs.compression.level': int({ default: -1, min: -1, max: 22, doc: 'Level of gzip (to 9) or zstd (to 22); -1: its default.' }),
  'hdfs.authentication.kerberos': boolean({
    default: false,
    importance: 'low',
    doc: 'Kerberos itself is not supported: give hdfs.delegation.token.',
  }),
  'hive.integration': boolean({
    default: false,
    importance: 'low',
    doc: 'Tables of Hive are not made: directories are named so that Hive finds them (MSCK REPAIR TABLE).',
  }),
  'logs.dir': accepted('what is to be renamed lies beside the temporary files'),
  'hadoop.conf.dir': accepted('Hadoop’s configuration is not read'),
  'hadoop.home': accepted('Hadoop’s libraries are not used'),
  'shutdown.timeout.ms': accepted('requests are given up when the task ends'),
  'retry.backoff.ms': accepted('the worker chooses its pauses'),
  ...storageKeys,
} as const

export type HdfsConfig = ValuesOf<typeof keys>

export const hdfs = defineSink({
  name: 'hdfs',
  classes: ['io.confluent.connect.hdfs.HdfsSinkConnector', 'io.confluent.connect.hdfs3.Hdfs3SinkConnector'],
  version: '1.0.0',
  summary: 'Writes records into files in HDFS: JSON, CSV, Avro or Parquet, exactly once.',
  example: { 'hdfs.url': 'http://127.0.0.1:9870', 'hdfs.user': 'hadoop', 'format.class': 'avro', 'flush.size': '10000' },
  config: keys,
  completesLater: true,
  check,
  recommend: recommendStorage,
  async open(config, context) {
    requireNone(check(config))
    const client = new WebHdfs(config, context.system, context.signal)
    const storage = new HdfsStorage(config, client, context)
    const level = config['hdfs.compression.level']
    return new FileTask(config, context, storage, { wrapping: config['hdfs.compression.type'], level: level < 0 ? null : level })
  },
})

function urlProblem(url: string): string | null {
  if (url.startsWith('hdfs://')) return `${url} is the address for RPC; give that of WebHDFS, as in http://namenode:9870`
  const isOne = url === '' || (/^(?:https?|s?webhdfs):\/\/./.test(url) && URL.canParse(url))
  return isOne ? null : `${url} is no URL of WebHDFS, as in http://namenode:9870`
}

function check(config: HdfsConfig): ReadonlyMap<string, string> {
  const refused = new Map(checkStorage(config))
  if (config['hdfs.authentication.kerberos'])
    refused.set('hdfs.authentication.kerberos', 'Kerberos is not supported; use hdfs.delegation.token')
  if (config['hive.integration']) refused.set('hive.integration', 'tables of Hive are not made by this connector')
  if (config['hdfs.compression.type'] === 'gzip' && config['hdfs.compression.level'] > 9)
    refused.set('hdfs.compression.level', 'gzip has the levels 0 to 9')
  return refused
}
