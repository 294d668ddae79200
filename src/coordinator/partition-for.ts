/** Kafka's rule for the partition of a coordinator's topic that holds a name: `Utils.abs(name.hashCode()) % count` of Java. */
export function partitionFor(name: string, count: number): number {
  let hash = 0
  for (let index = 0; index < name.length; index++) hash = (Math.imul(31, hash) + name.charCodeAt(index)) | 0
  return (hash === -(2 ** 31) ? 0 : Math.abs(hash)) % count
}
