/** The brokers, with a link to the configuration of each. */
import { Link } from '@tanstack/react-router'
import type { Output } from '../api.ts'
import { Table } from '../ui/table.tsx'

export function BrokerTable({ brokers }: Pick<Output<'GET /session'>, 'brokers'>) {
  return (
    <Table
      label="Brokers"
      heads={['Broker', 'Address', 'Rack', 'Role']}
      rows={brokers.map(({ id, host, port, rack, controller }) => [
        <Link key="id" to="/brokers/$id" params={{ id: String(id) }}>
          {id}
        </Link>,
        <code key="address">{`${host}:${port}`}</code>,
        rack ?? '–',
        controller ? 'controller' : '',
      ])}
    />
  )
}
