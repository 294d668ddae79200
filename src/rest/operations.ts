/** What the caller may do with topics, where a request asks for it. */
import type { Client, TopicInfo } from '../client.ts'

export type Operations = ReadonlyMap<string, readonly string[]>

/** By topic; `wanted`: the parameter `include_authorized_operations`. */
export async function operationsOn(topics: readonly TopicInfo[], client: Client, wanted: string | undefined): Promise<Operations> {
  if (wanted !== 'true') return new Map()
  const rights = await client.topicRights(topics.map(each => each.name))
  return new Map(Array.from(rights, ([name, found]) => [name, typeof found === 'string' ? [] : [...found]]))
}
