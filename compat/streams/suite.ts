/** Kafka Streams, unmodified, with exactly_once_v2: the same cases over the classic group protocol and over that of KIP-1071. */
import { runProgram, type Suite } from '../support/suite.ts'
import { streamsClassPath, streamsVersion } from './compile.ts'

const protocols = ['classic', 'streams']
const clientOf = (protocol: string) => `kafka-streams-${streamsVersion}-${protocol}`

export const streams: Suite = {
  folder: 'streams',
  clients: protocols.map(clientOf),
  async run({ bootstrap }, report) {
    const classPath = await streamsClassPath()
    const jvm = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', classPath]
    for (const protocol of protocols)
      await runProgram(clientOf(protocol), report, 'java', [...jvm, 'Main', bootstrap, protocol], { seconds: 400 })
  },
}
