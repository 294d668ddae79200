/** HDFS over WebHDFS: JSON, by field. */
import { freePorts } from '../../support/run.ts'
import { judgeMadeAgain } from '../made-again.ts'
import { startPeer } from '../peers.ts'
import { Seen } from '../records.ts'
import type { System } from './system.ts'

export const hdfsSystem: System = {
  name: 'hdfs',
  async run(judge, stage) {
    const first = await freePorts(2)
    const peer = await startPeer('hdfs', [first, first + 1, 1])
    const url = `http://127.0.0.1:${first + 1}`
    const base = { 'hdfs.url': url, 'hdfs.user': 'root', 'flush.size': '3000', 'rotate.schedule.interval.ms': '1000' }
    try {
      await judge('json-by-field-once', async () => {
        const told = await stage.drive({
          connector: 'hdfs',
          config: { ...base, 'topics.dir': 'json', 'partitioner.class': 'field', 'partition.field.name': 'kind' },
          kills: 4,
          harm: () => peer.killAndStart(),
        })
        const seen = new Seen()
        for await (const body of files(url, '/json'))
          for (const line of body.toString().trim().split('\n')) {
            const { partition, n } = JSON.parse(line) as { partition: number; n: number }
            seen.add(partition, n)
          }
        seen.requireOnce()
        return told
      })
      await judgeMadeAgain(judge, 'hdfs', base, folder => files(url, `/${folder}`))
    } finally {
      await peer.stop()
    }
  },
}

export async function* files(url: string, folder: string): AsyncGenerator<Buffer> {
  const at = `${url}/webhdfs/v1${folder.split('/').map(encodeURIComponent).join('/')}`
  const listed = (await (await fetch(`${at}?op=LISTSTATUS&user.name=root`)).json()) as {
    FileStatuses: { FileStatus: { pathSuffix: string; type: string }[] }
  }
  for (const { pathSuffix, type } of listed.FileStatuses.FileStatus) {
    // Temporary files and notes.
    if (pathSuffix.startsWith('+')) continue
    if (type === 'DIRECTORY') yield* files(url, `${folder}/${pathSuffix}`)
    else yield Buffer.from(await (await fetch(`${at}/${encodeURIComponent(pathSuffix)}?op=OPEN&user.name=root`)).arrayBuffer())
  }
}
