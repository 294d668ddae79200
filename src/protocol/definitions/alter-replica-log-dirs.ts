/** AlterReplicaLogDirs (key 34, versions 0–2): moves replicas to other log directories of a broker */
import { array, defineApi, int16, int32, string, struct } from '../define.ts'

export const alterReplicaLogDirs = defineApi({
  key: 34,
  name: 'AlterReplicaLogDirs',
  versions: '0-2',
  flexible: '2+',
  request: {
    dirs: array(
      struct({
        path: string(),
        topics: array(
          struct({
            name: string(),
            partitions: array(int32()),
          }),
        ),
      }),
    ),
  },
  response: {
    throttleTimeMs: int32(),
    results: array(
      struct({
        topicName: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: int16(),
          }),
        ),
      }),
    ),
  },
})
