/** After a change: what is shown of it is asked anew. */
import { useQueryClient } from '@tanstack/react-query'

/** Of all questions to this part of the API. */
export function useRefresh(part: '/connectors' | '/triggers'): () => Promise<void> {
  const queries = useQueryClient()
  return () => queries.invalidateQueries({ predicate: ({ queryKey }) => String(queryKey[0]).includes(part) })
}
