/** Keys of Confluent's MQTT source that have another name. */
import type { Refusal } from '../../connector.ts'

export const refuses: readonly Refusal[] = [
  { key: /^mqtt\.ssl\.trust\.store\..+$/, why: 'give ssl.ca.location, certificates in PEM' },
  { key: /^mqtt\.ssl\.key\..+$/, why: 'give ssl.certificate.location and ssl.key.location, in PEM' },
]
