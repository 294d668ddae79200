/** The configuration of a topic. */
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { asked } from '../api.ts'
import { ConfigTable } from './config-table.tsx'

const here = getRouteApi('/topics/$topic/config')

export function Config() {
  const { topic } = here.useParams()
  const { search = '', all = false } = here.useSearch()
  const navigate = useNavigate({ from: '/topics/$topic/config' })
  const info = useQuery(asked('GET /topics/:topic', { params: { topic } }))
  return (
    <ConfigTable
      of={{ kind: 'topics', name: topic }}
      label={`Configuration of ${topic}`}
      search={search}
      all={all}
      onSearch={(text, every) => void navigate({ replace: true, search: { search: text, all: every } as never })}
      may={info.data?.may ?? null}
    />
  )
}
