/** Keys of one client metrics subscription (KIP-714). */
import { type Declarations, intMs, list } from '../../../base.ts'

export const clientMetricsKeys = {
  'interval.ms': intMs({ default: 300_000, doc: '' }),
  match: list({ default: '', doc: '' }),
  metrics: list({ default: '', doc: '' }),
} satisfies Declarations
