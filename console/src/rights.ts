/** What this person may do, so that nobody is shown a button that would be refused. */
import { useQuery } from '@tanstack/react-query'
import { asked, type Output } from './api.ts'

type Rights = Output<'GET /rights'>

const freshMs = 15_000

/** The answer is no until the cluster has said; where it does not say, it is yes, because Kafka decides in any case. */
export function useRights(of: { topic?: string; group?: string }): (kind: keyof Rights, operation: string) => boolean {
  const { data, isPending } = useQuery({ ...asked('GET /rights', { query: of }), staleTime: freshMs })
  return (kind, operation) => !isPending && (data?.[kind]?.includes(operation) ?? true)
}
