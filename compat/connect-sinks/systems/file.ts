/** A file of the worker's own disk, which is renamed when it is large. After a kill -9 records come again: they are counted. */
import { createReadStream, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { partitions, records, Seen } from '../records.ts'
import type { System } from './system.ts'

export const fileSystem: System = {
  name: 'file',
  async run(judge, stage) {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-file-sink-'))
    try {
      await judge('nothing-lost', async () => {
        const config = { file: join(folder, 'events'), format: 'json', 'rotate.bytes': '20000000', 'rotate.keep': '1000' }
        const told = await stage.drive({ connector: 'file-sink', config, kills: 4 })
        const seen = new Seen()
        let lines = 0
        let damaged = 0
        for (const name of readdirSync(folder))
          for await (const line of createInterface({ input: createReadStream(join(folder, name)) })) {
            lines++
            const event = eventIn(line)
            if (event === null) damaged++
            else seen.add(event.partition, event.n)
          }
        seen.requireNoneLost()
        return `${told}; ${lines - damaged - partitions * records} lines more than once, ${damaged} cut off by kill -9`
      })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

/** null: the end is missing. */
function eventIn(line: string): { partition: number; n: number } | null {
  try {
    return JSON.parse(line) as { partition: number; n: number }
  } catch {
    return null
  }
}
