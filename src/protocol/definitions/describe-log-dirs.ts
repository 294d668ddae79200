/** DescribeLogDirs (key 35, versions 0–5): tells what lies in the log directories, and how large it is */
import { array, bool, defineApi, int16, int32, int64, string, struct } from '../define.ts'

export const describeLogDirs = defineApi({
  key: 35,
  name: 'DescribeLogDirs',
  versions: '0-5',
  flexible: '2+',
  request: {
    topics: array(
      struct({
        topic: string(),
        partitions: array(int32()),
      }),
      { nullable: '0+' },
    ),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16({ versions: '3+', ignorable: true }),
    results: array(
      struct({
        errorCode: int16(),
        logDir: string(),
        topics: array(
          struct({
            name: string(),
            partitions: array(
              struct({
                partitionIndex: int32(),
                partitionSize: int64(),
                offsetLag: int64(),
                isFutureKey: bool(),
              }),
            ),
          }),
        ),
        totalBytes: int64({ versions: '4+', default: -1, ignorable: true }),
        usableBytes: int64({ versions: '4+', default: -1, ignorable: true }),
        isCordoned: bool({ versions: '5+', default: false, ignorable: true }),
      }),
    ),
  },
})
