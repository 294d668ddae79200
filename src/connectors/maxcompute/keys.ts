/** The keys of the MaxCompute sink: names as Alibaba's connector has them, where it has the same. */
import { boolean, choice, int, list, password, string, type ValuesOf } from '../../connector.ts'
import { firstProblem } from '../entries.ts'
import { httpKeys, urlProblem } from '../http-client/settings.ts'
import { datePatternProblem } from '../template/date-pattern.ts'
import { templateProblem } from '../template/template.ts'

export const keys = {
  endpoint: string({
    default: null,
    importance: 'high',
    check: urlProblem,
    doc: 'The service, such as `http://service.cn-shanghai.maxcompute.aliyun.com/api`. It says where the Tunnel is, unless `tunnel_endpoint` does.',
  }),
  tunnel_endpoint: string({ default: null, check: urlProblem, doc: 'The Tunnel, such as `http://dt.cn-shanghai.maxcompute.aliyun.com`.' }),
  project: string({ required: true, importance: 'high', doc: 'The project of the table.' }),
  schema: string({ default: '', doc: 'The schema of the table, if the project has schemas.' }),
  table: string({ required: true, importance: 'high', check: templateProblem, doc: 'The table: `events`, `${topic}`.' }),
  access_id: string({ required: true, importance: 'high', doc: 'AccessKey ID.' }),
  access_key: password({ required: true, importance: 'high', doc: 'AccessKey secret.' }),
  security_token: password({ doc: 'Token of a temporary AccessKey (STS).' }),
  partition: string({
    default: '',
    importance: 'high',
    check: templateProblem,
    doc: 'The partition: `pt=${timestamp:yyyyMMdd},region=${value.region:-none}`. Default: by `partition_window_type`, in the column `pt`.',
  }),
  partition_window_type: choice(['DAY', 'HOUR', 'MINUTE', 'NONE'], {
    default: 'DAY',
    ignoreCase: true,
    doc: 'How long a time one partition has, if `partition` does not say it. `NONE`: the table has no partitions.',
  }),
  time_zone: string({
    default: 'UTC',
    check: zone => datePatternProblem(`yyyy@${zone}`),
    doc: 'The time zone of such partitions, as `Asia/Shanghai`.',
  }),
  'auto.create.partitions': boolean({ default: true, doc: 'Whether a partition that is missing is created.' }),
  'column.mapping': list({
    default: '',
    check: text => firstProblem(text, mappingProblem),
    doc:
      'Columns and the paths to their values: `id=user.id,raw=`; nothing: the whole value. Default: a column has the field of its name, in any case; columns that have ' +
      'none are `topic`, `partition`, `offset`, `timestamp`, `key` and `value` of the record.',
  }),
  buffer_size_kb: int({ default: 65_536, min: 64, max: 1_048_576, doc: 'How much is kept in memory before it is uploaded.' }),
  'block.size.kb': int({
    default: 8_192,
    min: 16,
    max: 1_048_576,
    importance: 'low',
    doc: 'How large a block of an upload is, before compression.',
  }),
  'session.directory': string({
    default: '',
    doc:
      'A directory, the same for all workers, in which uploads are noted before they are committed: then each record is written once, also if a worker ends or ' +
      'stands still in between. To write records again, remove the directory of the connector there and reset its offsets. Nothing: after such an end some are ' +
      'written twice.',
  }),
  'compression.type': choice(['zlib', 'none'], { default: 'zlib', doc: 'How blocks are compressed.' }),
  ...httpKeys,
} as const

export type Config = ValuesOf<typeof keys>

function mappingProblem(entry: string): string | null {
  return /^[^=]+=[^=]*$/.test(entry) ? null : `"${entry}" is no column with its path, such as id=user.id`
}
