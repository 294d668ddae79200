/** Keys of one client metrics subscription (KIP-714). */
import { type Declarations, intMs, list } from '../../../base.ts'

export const clientMetricsKeys = {
  'interval.ms': intMs({ default: 300_000, doc: 'Interval at which matching clients push their metrics.' }),
  match: list({
    default: '',
    doc: 'Which clients push: a comma-separated list of key=regular expression. Keys: client_instance_id, client_id, client_software_name, client_software_version, client_source_address. client_source_port is accepted but matches no client.',
  }),
  metrics: list({ default: '', doc: 'Prefixes of the requested metrics; * means all.' }),
} satisfies Declarations
