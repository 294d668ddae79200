/** Kafka Streams, unmodified, with exactly_once_v2: the same cases over the classic group protocol and over that of KIP-1071. */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cacheDirectory } from '../support/cache.ts'
import { runProgram, type Suite } from '../support/suite.ts'
import { streamsClassPath, streamsVersion } from './compile.ts'

const protocols = ['classic', 'streams']
const clientOf = (protocol: string) => `kafka-streams-${streamsVersion}-${protocol}`

export const streams: Suite = {
  folder: 'streams',
  clients: protocols.map(clientOf),
  async run({ bootstrap }, report) {
    const classPath = await streamsClassPath()
    // Not in the directory for temporary files, which others clean: an instance whose state is gone fails when it is closed.
    const state = mkdtempSync(join(cacheDirectory, 'streams-state-'))
    const jvm = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', `-Djava.io.tmpdir=${state}`, '-cp', classPath]
    try {
      for (const protocol of protocols)
        await runProgram(clientOf(protocol), report, 'java', [...jvm, 'Main', bootstrap, protocol], { seconds: 400 })
    } finally {
      rmSync(state, { recursive: true, force: true })
    }
  },
}
