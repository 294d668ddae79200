/** Keys of one client metrics subscription (KIP-714). */
import { type Declarations, intMs, list } from '../../../base.ts'

export const clientMetricsKeys = {
  'interval.ms': intMs({ default: 300_000, doc: 'How often matching clients push their metrics.' }),
  match: list({
    default: '',
    doc: 'Which clients are meant: key=regular expression between commas, keys client_instance_id, client_id, client_software_name, client_software_version, client_source_address and client_source_port (of which Millrace knows nothing: no client matches one).',
  }),
  metrics: list({ default: '', doc: 'Prefixes of the metrics that are asked for; * is all.' }),
} satisfies Declarations
