/** Loads the collector only where there is a cluster. */
import type { Collector, CollectorOptions } from './collector.ts'

export async function openCollector(options: CollectorOptions): Promise<Collector> {
  const { Collector } = await import('./collector.ts')
  return new Collector(options)
}
