/** S3, by MinIO: JSON and Parquet, by partition and by field, with an upload in parts; by virtual hosts. */
import assert from 'node:assert/strict'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3'
import { parquetReadObjects } from 'hyparquet'
import { uncompressSync } from 'snappy'
import { Missing } from '../../support/cache.ts'
import { accessTo } from '../../support/object-access.ts'
import { chosenKind, ObjectServer } from '../../support/object-servers.ts'
import { freePorts } from '../../support/run.ts'
import { judgeMadeAgain } from '../made-again.ts'
import { Seen, topic } from '../records.ts'
import type { System } from './system.ts'

const login = { user: 'millrace', password: 'millrace-secret', bucket: 'events' }

export const s3System: System = {
  name: 's3',
  async run(judge, stage) {
    const kind = chosenKind()
    const server = await ObjectServer.start(kind, await freePorts(kind.ports), login)
    const { client, config: access } = accessTo(server, login)
    const base = { ...access, 'flush.size': '3000', 'rotate.schedule.interval.ms': '1000' }
    const harm = async () => {
      await server.kill()
      await server.restart()
    }
    try {
      await judge('json-gzip-once', async () => {
        const told = await stage.drive({
          connector: 's3',
          config: { ...base, 'topics.dir': 'json', 's3.compression.type': 'gzip' },
          kills: 4,
          harm,
        })
        const seen = new Seen()
        for await (const body of objects(client, login.bucket, `json/${topic}/`))
          for (const line of gunzipSync(body).toString().trim().split('\n')) {
            const { partition, n } = JSON.parse(line) as { partition: number; n: number }
            seen.add(partition, n)
          }
        seen.requireOnce()
        return told
      })
      await judge('parquet-by-field-once', async () => {
        const config = {
          ...base,
          'topics.dir': 'parquet',
          'format.class': 'parquet',
          'partitioner.class': 'field',
          'partition.field.name': 'kind',
        }
        const told = await stage.drive({ connector: 's3', config, kills: 4, harm })
        const seen = new Seen()
        for await (const body of objects(client, login.bucket, `parquet/${topic}/`))
          for (const row of await rowsOf(body, ['partition', 'n'])) seen.add(row['partition'] as number, Number(row['n']))
        seen.requireOnce()
        return told
      })
      await judgeMadeAgain(judge, 's3', base, folder => objects(client, login.bucket, `${folder}/`))
      await judge('encrypted-by-virtual-hosts-once', async () => {
        if (kind.name !== 'minio') throw new Missing('only MinIO is told the name of its domain')
        const config = {
          ...base,
          'topics.dir': 'hosts',
          'store.url': `http://localhost:${server.port}`,
          's3.path.style.access.enabled': 'false',
          's3.compression.type': 'zstd',
          's3.ssea.name': 'AES256',
        }
        const told = await stage.drive({ connector: 's3', config, kills: 1 })
        const seen = new Seen()
        for await (const body of objects(client, login.bucket, `hosts/${topic}/`))
          for (const line of zstdDecompressSync(body).toString().trim().split('\n')) {
            const { partition, n } = JSON.parse(line) as { partition: number; n: number }
            seen.add(partition, n)
          }
        seen.requireOnce()
        const { Contents: [first] = [] } = await client.send(
          new ListObjectsV2Command({ Bucket: login.bucket, Prefix: 'hosts/', MaxKeys: 1 }),
        )
        const { ServerSideEncryption } = await client.send(new HeadObjectCommand({ Bucket: login.bucket, Key: first!.Key! }))
        assert.equal(ServerSideEncryption, 'AES256')
        return told
      })
    } finally {
      client.destroy()
      await server.remove()
    }
  },
}

export async function rowsOf(body: Buffer, columns: string[]): Promise<Record<string, unknown>[]> {
  const file = body.buffer.slice(body.byteOffset, body.byteOffset + body.length) as ArrayBuffer
  return await parquetReadObjects({
    file,
    columns,
    compressors: { SNAPPY: page => uncompressSync(Buffer.from(page)) as Buffer },
  })
}

export async function* objects(client: S3Client, bucket: string, prefix: string): AsyncGenerator<Buffer> {
  let token: string | undefined
  do {
    const listed = await client.send(
      new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ...(token === undefined ? {} : { ContinuationToken: token }) }),
    )
    for (const { Key } of listed.Contents ?? []) {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: Key! }))
      yield Buffer.from(await Body!.transformToByteArray())
    }
    token = listed.NextContinuationToken
  } while (token !== undefined)
}
