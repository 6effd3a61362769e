/** Alerts that were told, and the messages that told of them, are kept for so many days. */
export const keepAlertsDays = 90
