/** What keys of sinks of files cannot say alone. */
import { InvalidConfig } from '../../base.ts'
import { formats } from '../formats/list.ts'
import type { StorageConfig } from './keys.ts'
import { openPartitioner } from './partitioners.ts'

export function checkStorage(config: StorageConfig): Map<string, string> {
  const refused = new Map<string, string>()
  try {
    openPartitioner(config)
  } catch (error) {
    if (!(error instanceof InvalidConfig)) throw error
    refused.set(error.key, error.message)
  }
  for (const name of ['topics.dir', 'directory.delim', 'file.delim'] as const)
    if (config[name] === '') refused.set(name, 'must not be empty')
  return refused
}

/** Values for forms. */
export async function recommendStorage(): Promise<ReadonlyMap<string, readonly string[]>> {
  return new Map([
    ['format.class', formats.map(format => format.name)],
    ['partitioner.class', ['default', 'field', 'time', 'daily', 'hourly']],
  ])
}
