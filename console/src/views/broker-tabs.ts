/** The parts of what is told of the brokers. */
export const brokerTabs = [
  { title: 'Brokers', to: '/brokers' },
  { title: 'Client metrics', to: '/client-metrics' },
] as const
