/** Keys of Aiven's and Confluent's HTTP sinks that are not there, or have another name. */
import type { Refusal } from '../../connector.ts'

export const refuses: readonly Refusal[] = [
  { key: /^(?:http\.api\.url|http\.api\.base\.url|apis\.num|api\d+\..+)$/, why: 'give it as http.url' },
  { key: /^request\.method$/, why: 'give it as http.method', unless: ['', 'POST'] },
  { key: /^headers$/, why: 'give it as http.headers.additional' },
  { key: /^auth\.type$/, why: 'give it as http.authorization.type', unless: ['', 'NONE'] },
  { key: /^connection\.user$/, why: 'give it as connection.username' },
  { key: /^oauth2\.token\.url$/, why: 'give it as oauth2.access.token.url' },
  {
    key: /^(?:request\.body\.format|batch\.json\.as\.array|batch\.key\.pattern)$/,
    why: 'batching.enabled, batch.prefix, batch.separator, batch.suffix and http.body say what a request has',
  },
  { key: /^regex\..+$/, why: 'http.body is a template of the record; transforms change it before' },
  { key: /^behavior\.on\.error$/, why: 'errors.tolerance says what becomes of records that are refused', unless: ['', 'fail'] },
  {
    key: /^reporter\.(?:result|error)\.topic\.name$/,
    why: 'answers are not written to topics; errors.deadletterqueue.topic.name takes what is refused',
  },
  { key: /^(?:(?:http\.)?proxy\..+|http\.proxy\..+)$/, why: 'requests go through no proxy' },
  { key: /^http\.ssl\.trust\.all\.certs$/, why: 'give ssl.verify=false', unless: ['', 'false'] },
  {
    key: /^(?:http\.ssl\.truststore\.location|https\.ssl\.truststore\.location)$/,
    why: 'give ssl.ca.location, certificates in PEM',
  },
  { key: /^https\.ssl\.keystore\.location$/, why: 'give ssl.certificate.location and ssl.key.location, in PEM' },
  { key: /^oauth2\.grant\.type$/, why: 'the grant is client_credentials', unless: ['', 'client_credentials'] },
  { key: /^oauth2\.request\.client\.id\.property$/, why: 'the field is client_id', unless: ['', 'client_id'] },
  { key: /^oauth2\.request\.client\.secret\.property$/, why: 'the field is client_secret', unless: ['', 'client_secret'] },
  { key: /^oauth2\.request\.grant\.type\.property$/, why: 'the field is grant_type', unless: ['', 'grant_type'] },
]
