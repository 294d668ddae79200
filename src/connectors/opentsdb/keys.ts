/** The keys of the OpenTSDB sink. */
import { boolean, choice, int, intBytes, intMs, list, string, type ValuesOf } from '../../connector.ts'
import { firstProblem } from '../entries.ts'
import { httpKeys, urlProblem } from '../http-client/settings.ts'
import { templateProblem } from '../template/template.ts'

export const keys = {
  'connection.url': list({
    required: true,
    importance: 'high',
    check: text => firstProblem(text, urlProblem),
    allowed: 'URLs, comma-separated',
    doc: 'The time series daemons, such as `http://tsd:4242`. The next one is asked when one does not answer.',
  }),
  'metric.name': string({
    default: '',
    importance: 'high',
    check: templateProblem,
    doc:
      'Name of the metric as a template: `web.${topic}.latency`. Default: the value of a record is a data point already, or a list of them, as `/api/put` takes ' +
      'them: `{"metric","timestamp","value","tags"}`, also as text.',
  }),
  'metric.value': string({ default: '${value}', check: templateProblem, doc: 'The number: `${value.latency}`.' }),
  'metric.fields': list({
    default: '',
    doc: 'Fields of the value that are a metric each, called `metric.name` and `.field`; `*`: all whose value is a number. Then `metric.value` is not used.',
  }),
  'metric.timestamp': string({
    default: '${timestamp}',
    check: templateProblem,
    doc: 'The time: seconds or ms since 1970, or ISO 8601.',
  }),
  'metric.tags': list({
    default: '',
    importance: 'high',
    check: text => firstProblem(text, tagProblem),
    doc: 'Tags with their templates: `host=${value.host},dc=${header.dc:-none}`. OpenTSDB wants one at least. A tag without text is left out.',
  }),
  'timestamp.precision': choice(['ms', 's'], { default: 'ms', doc: 'In which unit points are stored.' }),
  'illegal.characters.replacement': string({
    default: '',
    check: text => (/^[\w\-./]?$/.test(text) ? null : 'must be one letter, digit, -, _, . or /, or nothing'),
    doc: 'Stands for characters that names and tags may not have. Default: OpenTSDB refuses the point.',
  }),
  'batch.size': int({ default: 50, min: 1, max: 100_000, doc: 'How many points one request has. OpenTSDB advises 50.' }),
  'batch.bytes': intBytes({
    default: 8_000,
    min: 256,
    doc: 'How large its body is, before compression. A daemon takes more than 8 KiB only with `tsd.http.request.enable_chunked`.',
  }),
  'max.in.flight.requests': int({
    default: 4,
    min: 1,
    max: 100,
    doc: 'How many requests are made at the same time. The daemon answers when points are stored, which takes a while.',
  }),
  'compression.type': choice(['none', 'gzip'], { default: 'none', doc: 'How the body is compressed.' }),
  sync: boolean({ default: true, doc: 'Whether the daemon answers when points are stored. Otherwise what it cannot store is lost.' }),
  'sync.timeout.ms': intMs({ default: 20_000, min: 0, doc: 'How long the daemon tries to store them; 0: for ever.' }),
  ...httpKeys,
} as const

export type Config = ValuesOf<typeof keys>

function tagProblem(entry: string): string | null {
  const at = entry.indexOf('=')
  return at < 1 ? `"${entry}" is no tag with its template, such as host=\${value.host}` : templateProblem(entry.slice(at + 1))
}
